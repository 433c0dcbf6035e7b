#pragma once

#include <ATen/core/Tensor.h>

#include "parallel/gradient_sink.h"

namespace sextant::trainer {

// Row tokens[...] of weight [V, C] for each token: [..., C]. With a sink the gradient's rows are added where
// they belong, each sum in the tokens' order; without one autograd carries a whole [V, C].
at::Tensor embedding(const at::Tensor& weight, const at::Tensor& tokens, parallel::GradientSink* sink);

}  // namespace sextant::trainer
