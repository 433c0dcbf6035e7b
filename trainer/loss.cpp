#include "trainer/loss.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "parallel/autograd_collectives.h"
#include "trainer/kernels/linear_cross_entropy.h"

namespace sextant::trainer {
namespace {

// Tokens in the order in which so many shards of time come together, one after the other. x [B, T, ...] to
// [N, ...]
at::Tensor in_shard_order(const at::Tensor& x, int64_t shards) {
  return x.unflatten(1, {shards, x.size(1) / shards}).transpose(0, 1).flatten(0, 2);
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
    int64_t blocks = std::max<int64_t>(1, model.part().blocks);
    int64_t shards = blocks * (tensor == nullptr ? 1 : tensor->size());
    at::Tensor flat = in_shard_order(hidden, blocks);  // [N, C], a shard of it [N/tp, C]
    auto order = model.part().blocks > 0 ? parallel::SumOrder::kTree : parallel::SumOrder::kAny;
    if (tensor != nullptr) flat = parallel::gather(flat, 0, *tensor, order);
    at::Tensor sum = linear_cross_entropy(flat, model.output_weight(), in_shard_order(rows.targets, shards),
                                          in_shard_order(rows.loss_mask, shards), chunk, model.output().sink,
                                          tensor, blocks);
    return LossSum{sum, rows.loss_mask.sum(at::kDouble)};
  };
}

}  // namespace sextant::trainer
