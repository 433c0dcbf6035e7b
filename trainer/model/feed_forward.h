#pragma once

#include <string>

#include "trainer/kernels/fused_linear.h"
#include "trainer/model/model.pb.h"
#include "trainer/model/parameter.h"

namespace sextant::trainer {

// The feed-forward half of a block with its norm: SwiGLU (llama) or GELU (gpt2).
class FeedForward {
 public:
  // Registers parameters under `name` ("blocks.0.feed_forward").
  FeedForward(const ModelSettings& settings, const std::string& name, ParameterList& parameters);

  // x [B, T, C] to what is added to the residual stream, [B, T, C].
  at::Tensor forward(const at::Tensor& x, Produced produced) const;

 private:
  double epsilon_;
  Parameter *norm_weight_, *norm_bias_ = nullptr;
  Parameter *gate_ = nullptr, *up_, *down_;
  Parameter *gate_bias_ = nullptr, *up_bias_ = nullptr, *down_bias_ = nullptr;
};

}  // namespace sextant::trainer
