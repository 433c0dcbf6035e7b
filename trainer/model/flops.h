#pragma once

#include <cstdint>

#include "trainer/model/model.pb.h"

namespace sextant::trainer {

// Floating point operations to train one token: 6 M + 12 L A T, where M counts the weights of all matrix
// multiplies that a token passes through (the output layer too, embeddings not; of experts the chosen and
// shared ones and the router), L layers, A = heads * head width, T context; the second term is attention's
// scores and mixture, unmasked (Chowdhery et al. 2022, appendix B). Recomputed activations do not count: this
// is MFU's numerator, not the hardware's work.
double training_flops_per_token(const ModelSettings& settings);

// The M above.
int64_t matrix_weights(const ModelSettings& settings);

// Weights of the experts that a token does not go to; what is left of the model's are its active parameters.
int64_t idle_weights(const ModelSettings& settings);

}  // namespace sextant::trainer
