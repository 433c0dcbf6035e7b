#pragma once

#include <cstdint>
#include <vector>

#include "trainer/scaling/power_law.h"

namespace sextant::trainer {

// Fitting a power law: the Huber loss of logarithms has many local minima, so it is descended from many
// starts.

// alpha, beta 0..2 by 0.5; log E -1..1 by 0.5; log A, log B 0..25 by 5: 4,500 starts (Hoffmann et al. 2022,
// appendix D.3).
std::vector<Parameters> chinchilla_starts();

// For one power: exponents 0.01..2 and, with a constant, shares of the lowest y; each start passes through
// the geometric middle of the points.
std::vector<Parameters> one_power_starts(const PowerLaw& law, const LogPoints& points);

// For joined terms: exponents 0.05..1 of the whole and 0.2..1.5 of x_0, and shares 0.1..0.9 that the first
// term has in the middle of the points, through which each start passes.
std::vector<Parameters> joined_starts(const LogPoints& points);

// Where a law's parameters may go: exponents 0..5, the others as far as e^100. Beyond lie only places where a
// term has vanished.
Bounds law_bounds(const PowerLaw& law);

// The lowest minimum that is reached from any start. Every start takes a few steps, on at most
// kScreeningPoints of the points; the best of them go on to the end on all points. The result does not depend
// on `threads`.
inline constexpr size_t kScreeningPoints = 64;
inline constexpr size_t kFinalists = 48;
Minimum fit(const PowerLaw& law, const LogPoints& points, const std::vector<Parameters>& starts, int threads);

// The fits of so many draws of the points with replacement (Efron's bootstrap), each descended from `best`.
// A pure function of the seed, whatever `threads` is.
std::vector<Parameters> bootstrap(const PowerLaw& law, const LogPoints& points, const Parameters& best,
                                  size_t draws, uint64_t seed, int threads);

}  // namespace sextant::trainer
