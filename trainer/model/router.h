#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "trainer/kernels/router_pressure.h"
#include "trainer/kernels/tensor_share.h"
#include "trainer/model/model.pb.h"
#include "trainer/model/parameter.h"
#include "trainer/model/part.h"

namespace sextant::trainer {

// Which experts tokens go to. B rows, T time (of this rank), N = B T, k choices of a token.
struct Routing {
  at::Tensor weights;  // [N, k], fp32 or fp64; differentiable
  at::Tensor experts;  // [N, k] int64
  at::Tensor kept;     // [N, k] bool, choices that are not dropped; undefined: all
};

// Scores experts for each token and chooses the best (Shazeer et al. 2017; Fedus et al. 2021, "Switch
// Transformers"). Scores are computed in fp32 (fp64 in fp64 runs).
//
// Balance. The load-balancing loss of a group of T tokens (a row, or a microbatch) is
//   E sum_e f_e P_e,   f_e = the share of its T k choices that went to e,   P_e = the mean of its tokens'
//   shares,
// Switch's eq. 4, which is 1 when all are equal. Times its T tokens it is a sum like the loss, of which each
// token's part is E sum_e f_e share_e: once f is known, tokens contribute one by one. f counts the choices on
// all ranks that have tokens of the group (whole numbers: exact however the row is cut), and backward adds
// each token's part where the token is. So the gradient does not depend on the layout, nothing has to carry
// the balance loss along, and the loss that is reported stays the model's own.
//
// Balance without a loss (Wang et al. 2024, arXiv 2408.15664): a bias that only the choice sees, moved after
// each step by the sign of how far an expert's load is from the mean.
class Router {
 public:
  // Registers NAME.router.weight, and the buffer NAME.router.balance_bias where the settings move it.
  Router(const ModelSettings& settings, const std::string& name, ParameterList& parameters,
         const ModelPart& part);

  // x [B, T, C]. order [B, T] int64, a number for each token that grows along its row: with it, capacity is
  // limited; undefined: no choice is dropped. kShards: rows are cut over the ranks of part.tensor and
  // part.context, which must call together; kWhole: whole rows are here.
  Routing route(const at::Tensor& x, const at::Tensor& order, Stream stream) const;

  // Choices that each expert had on this rank in the backwards since clear_load(), [E] int64.
  const at::Tensor& load() const { return load_; }
  void clear_load() const;
  // Moves the bias, where there is one, by what each expert had of all ranks' choices in a step, [E] int64.
  void balance(const at::Tensor& load) const;
  // The bias that the choice sees, [E]; undefined where the settings do not move it.
  const at::Tensor& balance_bias() const { return balance_bias_; }

 private:
  ExpertSettings settings_;
  ModelPart part_;
  Parameter* weight_;
  at::Tensor load_, balance_bias_;

  RouterPressure pressure(const at::Tensor& experts, at::ScalarType type, const ModelPart& sharers) const;
  at::Tensor weights_of(const at::Tensor& scores, const at::Tensor& experts) const;
};

}  // namespace sextant::trainer
