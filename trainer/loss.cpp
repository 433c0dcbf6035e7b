#include "trainer/loss.h"

#include <ATen/ATen.h>

#include "trainer/kernels/linear_cross_entropy.h"

namespace sextant::trainer {

LossSum loss_of(const Transformer& model, const Rows& rows, const LossFunction& loss) {
  return loss(model, model.forward(rows.tokens, rows.positions, rows.documents), rows);
}

LossFunction next_token_loss(int64_t chunk) {
  return [chunk](const Transformer& model, const at::Tensor& hidden, const Rows& rows) {
    at::Tensor flat = hidden.reshape({-1, hidden.size(-1)});  // [N, C]
    at::Tensor sum = linear_cross_entropy(flat, model.output_weight(), rows.targets.reshape({-1}),
                                          rows.loss_mask.reshape({-1}), chunk, model.output().sink);
    return LossSum{sum, rows.loss_mask.sum(at::kDouble)};
  };
}

}  // namespace sextant::trainer
