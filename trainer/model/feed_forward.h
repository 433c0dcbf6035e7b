#pragma once

#include <string>

#include "parallel/group.h"
#include "trainer/kernels/fused_linear.h"
#include "trainer/model/model.pb.h"
#include "trainer/model/parameter.h"

namespace sextant::trainer {

// The feed-forward half of a block with its norm: SwiGLU (llama) or GELU (gpt2). The ranks of a
// tensor-parallel group share the hidden channels evenly.
class FeedForward {
 public:
  // Registers parameters under `name` ("blocks.0.feed_forward"); `tensor` is null where nobody shares the
  // layer.
  FeedForward(const ModelSettings& settings, const std::string& name, ParameterList& parameters,
              parallel::Group* tensor = nullptr);

  // x [B, T, C] to what is added to the residual stream, [B, T, C]; of both this rank's shard of time where
  // `share` says so.
  at::Tensor forward(const at::Tensor& x, Produced produced, TensorShare share = {}) const;

 private:
  double epsilon_;
  Parameter *norm_weight_, *norm_bias_ = nullptr;
  Parameter *gate_ = nullptr, *up_, *down_;
  Parameter *gate_bias_ = nullptr, *up_bias_ = nullptr, *down_bias_ = nullptr;
};

}  // namespace sextant::trainer
