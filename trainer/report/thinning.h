#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace sextant::trainer {

// Which points of a curve are drawn: at most `most` (4 or more) indexes into `values`, rising. The first and
// the last are among them, and of each of equally many stretches the lowest and the highest, so that no spike
// is lost.
std::vector<size_t> thinned(std::span<const double> values, size_t most);

}  // namespace sextant::trainer
