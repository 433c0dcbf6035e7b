#include "trainer/report/thinning.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace sextant::trainer::thinning_test {
namespace {

std::vector<double> wave(size_t count) {
  std::vector<double> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = std::sin(static_cast<double>(i) * 0.7);
  return values;
}

TEST(Thinning, ShortCurvesStayWhole) {
  for (size_t count : {0, 1, 2, 19, 20}) {
    std::vector<size_t> all(count);
    std::iota(all.begin(), all.end(), size_t{0});
    EXPECT_EQ(thinned(wave(count), 20), all);
  }
}

TEST(Thinning, LongCurvesKeepEndsAndSpikes) {
  for (size_t count : {21, 22, 25, 1000, 123457}) {
    std::vector<double> values = wave(count);
    values[count / 3] = 100;
    values[count / 2] = -100;
    std::vector<size_t> kept = thinned(values, 20);
    EXPECT_LE(kept.size(), 20U) << count;
    EXPECT_GE(kept.size(), 11U) << count;
    EXPECT_TRUE(std::is_sorted(kept.begin(), kept.end()));
    EXPECT_EQ(std::adjacent_find(kept.begin(), kept.end()), kept.end()) << "a point twice, of " << count;
    EXPECT_EQ(kept.front(), 0U);
    EXPECT_EQ(kept.back(), count - 1);
    EXPECT_TRUE(std::binary_search(kept.begin(), kept.end(), count / 3)) << count;
    EXPECT_TRUE(std::binary_search(kept.begin(), kept.end(), count / 2)) << count;
  }
}

TEST(Thinning, PointsAreSpreadOverTheWholeCurve) {
  std::vector<size_t> kept = thinned(wave(100000), 2000);
  for (size_t i = 1; i < kept.size(); ++i) EXPECT_LT(kept[i] - kept[i - 1], 210U);
}

}  // namespace
}  // namespace sextant::trainer::thinning_test
