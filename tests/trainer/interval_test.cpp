#include "trainer/interval.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <vector>

namespace sextant::trainer::interval_test {
namespace {

TEST(Middle95, LiesBetweenQuantiles) {
  std::vector<double> values;
  for (int i = 100; i >= 0; --i) values.push_back(i);
  Interval interval = middle_95(values);
  EXPECT_NEAR(interval.low, 2.5, 1e-12);
  EXPECT_NEAR(interval.high, 97.5, 1e-12);
  EXPECT_EQ(middle_95({4}).low, 4);
  EXPECT_THROW(middle_95({}), std::logic_error);
}

}  // namespace
}  // namespace sextant::trainer::interval_test
