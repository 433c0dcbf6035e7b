#include "trainer/optimizer/optimizer_rules.h"

#include <fmt/format.h>

namespace sextant::trainer {

std::vector<Complaint> optimizer_complaints(const OptimizerSettings& optimizer, int64_t steps) {
  OptimizerSettings whole = optimizer;
  fill_optimizer_defaults(whole, steps);
  int64_t warmup = whole.warmup_steps(), decay = whole.decay_steps();
  if (warmup > steps) {
    return {{"optimizer.warmup_steps",
             fmt::format("{} is more than run.steps={}; set it to {} or less", warmup, steps, steps)}};
  }
  if (whole.schedule() != OptimizerSettings::wsd || decay <= steps - warmup) return {};
  return {
      {"optimizer.decay_steps",
       fmt::format(
           "warm-up ({}) and decay ({}) take more steps than run.steps={}; set optimizer.decay_steps to {} "
           "or less",
           warmup, decay, steps, steps - warmup)}};
}

void fill_optimizer_defaults(OptimizerSettings& optimizer, int64_t steps) {
  if (!optimizer.has_warmup_steps()) optimizer.set_warmup_steps(steps / 50);
  if (!optimizer.has_decay_steps()) optimizer.set_decay_steps(steps / 5);
  if (!optimizer.has_adamw_learning_rate()) optimizer.set_adamw_learning_rate(optimizer.learning_rate());
}

}  // namespace sextant::trainer
