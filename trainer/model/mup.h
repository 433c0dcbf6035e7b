#pragma once

#include <string>

#include "trainer/model/model.pb.h"
#include "trainer/model/parameter.h"

namespace sextant::trainer {

// The maximal update parametrisation (Yang et al. 2022, "Tensor Programs V", arXiv 2203.03466, table 8 with
// Adam): what learning rates and sizes of initial weights are best at a small width stays best at any other.
// At model.mup.base_width all of it is the usual parametrisation. r = width / base_width:
//
//   role       initial std   learning rate   forward
//   hidden     1 / sqrt(r)   1 / r           attention scores q k / d instead of q k / sqrt(d)
//   embedding  1             1
//   output     1             1               its input times 1 / r
//   router     1 / r         1 / r           (table 3: an output layer without multiplier)
//   vector     1             1
//
// Without mup.base_width everything is 1.

// r, or 1 without muP.
double width_ratio(const ModelSettings& settings);

// Multiplies what is given at the base width by the role's rule.
void scale_by_mup(const ModelSettings& settings, Parameter& parameter);

// What the last norm's result is multiplied with before it meets the output layer.
double output_multiplier(const ModelSettings& settings);

// What queries are multiplied with beside 1 / sqrt(head width), so that the scores get
// sqrt(base_head_width) / head_width.
double query_multiplier(const ModelSettings& settings);

// What a parameter must be multiplied with so that a program without muP computes the same with it: both
// multipliers of forward, in the weights that come right before them.
double folded_multiplier(const ModelSettings& settings, const std::string& parameter);

}  // namespace sextant::trainer
