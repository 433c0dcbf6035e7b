#include "trainer/report/thinning.h"

#include <algorithm>
#include <numeric>

#include "parallel/base/error.h"

namespace sextant::trainer {

std::vector<size_t> thinned(std::span<const double> values, size_t most) {
  expect(most >= 4, "a thinned curve has room for its ends, its lowest and its highest point");
  std::vector<size_t> kept;
  if (values.size() <= most) {
    kept.resize(values.size());
    std::iota(kept.begin(), kept.end(), size_t{0});
    return kept;
  }
  size_t inner = values.size() - 2, stretches = (most - 2) / 2;
  kept.push_back(0);
  for (size_t i = 0; i < stretches; ++i) {
    auto begin = values.begin() + static_cast<std::ptrdiff_t>(1 + i * inner / stretches);
    auto end = values.begin() + static_cast<std::ptrdiff_t>(1 + (i + 1) * inner / stretches);
    auto [lowest, highest] = std::minmax_element(begin, end);
    auto [first, second] =
        std::minmax({lowest - values.begin(), highest - values.begin()});  // values, not references
    kept.push_back(static_cast<size_t>(first));
    if (second != first) kept.push_back(static_cast<size_t>(second));
  }
  kept.push_back(values.size() - 1);
  return kept;
}

}  // namespace sextant::trainer
