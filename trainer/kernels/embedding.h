#pragma once

#include <ATen/core/Tensor.h>

#include "parallel/gradient_sink.h"

namespace sextant::trainer {

// Row tokens[...] of weight [V, C] for each token: [..., C]. With a sink the gradient's rows are added where
// they belong, each sum in the tokens' order; without one autograd carries a whole [V, C].
at::Tensor embedding(const at::Tensor& weight, const at::Tensor& tokens, parallel::GradientSink* sink);

// The same where the weight is a part of the vocabulary: rows as VocabularyPart::rows_of(tokens) gives them.
// Tokens of other parts are zeros, so that the parts' results add up to the whole's.
at::Tensor embedding_part(const at::Tensor& weight, const at::Tensor& rows, parallel::GradientSink* sink);

}  // namespace sextant::trainer
