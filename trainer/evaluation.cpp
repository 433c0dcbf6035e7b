#include "trainer/evaluation.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace sextant::trainer {

double held_out_loss(const Transformer& model, data::Loader& microbatches, int64_t count,
                     const LossFunction& loss, parallel::Group& data) {
  at::NoGradGuard no_gradient;
  double sum = 0, positions = 0;
  for (int64_t index = data.rank().value(); index < count; index += data.size()) {
    data::Batch batch = microbatches.batch(index);
    LossSum part = loss_of(model, rows_of(batch, 0, batch.rows, model.parameters().device()), loss);
    sum += part.sum.to(at::kDouble).item<double>();
    positions += part.count.item<double>();
  }
  auto totals = parallel::reduce_numbers(data, {sum, positions});
  return totals[1] > 0 ? totals[0] / totals[1] : 0;
}

}  // namespace sextant::trainer
