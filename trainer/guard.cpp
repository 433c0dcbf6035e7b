#include "trainer/guard.h"

#include <fmt/format.h>

#include "parallel/agreement.h"

namespace sextant::trainer {

void Guard::observe(Step step, bool finite, double loss, double grad_norm) {
  if (finite) {
    in_a_row_ = 0;
    return;
  }
  ++in_a_row_;
  if (in_a_row_ <= allowed_) return;
  std::string message = fmt::format(
      "step {}: loss {} and gradient norm {} are not finite, for {} steps in a row (run.bad_steps_allowed is "
      "{}). The "
      "newest checkpoint is from before or during this. Start again from an older one with a lower "
      "optimizer.learning_rate, a longer optimizer.warmup_steps or numerics.compute=fp32",
      step.value(), loss, grad_norm, in_a_row_, allowed_);
  throw parallel::AgreedError(ErrorKind::kEnvironment, message);
}

}  // namespace sextant::trainer
