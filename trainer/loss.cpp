#include "trainer/loss.h"

#include <ATen/ATen.h>

#include "parallel/autograd_collectives.h"
#include "trainer/kernels/linear_cross_entropy.h"

namespace sextant::trainer {
namespace {

// Tokens in the order in which the ranks' shards of time come together. x [B, T] to [N]
at::Tensor in_shard_order(const at::Tensor& x, const parallel::Group* tensor) {
  if (tensor == nullptr) return x.reshape({-1});
  return x.unflatten(1, {tensor->size(), x.size(1) / tensor->size()}).transpose(0, 1).reshape({-1});
}

}  // namespace

LossSum loss_of(const Transformer& model, const Rows& rows, const LossFunction& loss) {
  at::Tensor x;
  for (size_t stage = 0; stage < model.stages(); ++stage) x = model.forward_stage(stage, x, rows);
  return loss(model, x, rows);
}

LossFunction next_token_loss(int64_t chunk) {
  return [chunk](const Transformer& model, const at::Tensor& hidden, const Rows& rows) {
    parallel::Group* tensor = model.part().tensor;
    at::Tensor flat = hidden.reshape({-1, hidden.size(-1)});  // [N, C], a shard of it [N/tp, C]
    if (tensor != nullptr) flat = parallel::gather(flat, 0, *tensor);
    at::Tensor sum =
        linear_cross_entropy(flat, model.output_weight(), in_shard_order(rows.targets, tensor),
                             in_shard_order(rows.loss_mask, tensor), chunk, model.output().sink, tensor);
    return LossSum{sum, rows.loss_mask.sum(at::kDouble)};
  };
}

}  // namespace sextant::trainer
