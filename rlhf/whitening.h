#pragma once

#include <vector>

namespace sextant::rlhf {

// Gives numbers mean 0 and variance 1: (x - mean) / sqrt(variance + 1e-8), the variance of the population, as
// lm-human-preferences does. Over all that are given together; none: nothing happens.
void whiten(std::vector<double>& numbers);

}  // namespace sextant::rlhf
