#include "trainer/evaluation.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace sextant::trainer {

double held_out_loss(const Transformer& model, data::Loader& microbatches, int64_t count,
                     const LossFunction& loss, parallel::Group& replicas) {
  at::NoGradGuard no_gradient;
  ContextCut cut = model.context_cut();
  double sum = 0, positions = 0;
  // Neighbours among the replicas share sequences.
  int64_t slice = replicas.rank().value() / cut.ranks, slices = replicas.size() / cut.ranks;
  for (int64_t index = slice; index < count; index += slices) {
    data::Batch batch = microbatches.batch(index);
    LossSum part = loss_of(model, rows_of(batch, 0, batch.rows, model.parameters().device(), cut), loss);
    sum += part.sum.to(at::kDouble).item<double>();
    positions += part.count.item<double>();
  }
  auto totals = parallel::reduce_numbers(replicas, {sum, positions});
  return totals[1] > 0 ? totals[0] / totals[1] : 0;
}

}  // namespace sextant::trainer
