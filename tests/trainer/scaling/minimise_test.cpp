#include "trainer/scaling/minimise.h"

#include <gtest/gtest.h>

#include <cmath>

namespace sextant::trainer::minimise_test {
namespace {

// (x - 3)^2 + 2 (y + 1)^2 + x y / 2.
class Bowl : public Objective {
 public:
  int parameters() const override { return 2; }
  void expand(const Parameters& at, Expansion& e) const override {
    double x = at[0], y = at[1];
    e.value = (x - 3) * (x - 3) + 2 * (y + 1) * (y + 1) + x * y / 2;
    e.gradient = {2 * (x - 3) + y / 2, 4 * (y + 1) + x / 2};
    e.hessian[0] = {2, 0.5};
    e.hessian[1] = {0.5, 4};
    e.metric = e.hessian;
  }
};

// Rosenbrock's banana, whose Hessian is indefinite on the way.
class Banana : public Objective {
 public:
  int parameters() const override { return 2; }
  void expand(const Parameters& at, Expansion& e) const override {
    double x = at[0], y = at[1], up = y - x * x;
    e.value = (1 - x) * (1 - x) + 100 * up * up;
    e.gradient = {-2 * (1 - x) - 400 * x * up, 200 * up};
    e.hessian[0] = {2 - 400 * up + 800 * x * x, -400 * x};
    e.hessian[1] = {-400 * x, 200};
    e.metric[0] = {std::abs(e.hessian[0][0]), 0};
    e.metric[1] = {0, 200};
  }
};

class Nothing : public Objective {
 public:
  int parameters() const override { return 1; }
  void expand(const Parameters&, Expansion& e) const override { e.value = std::nan(""); }
};

TEST(Minimise, SolvesAQuadraticByHand) {
  // 2 x + y / 2 = 6 and x / 2 + 4 y = -4: x = 104 / 31, y = -44 / 31.
  Minimum found = minimise(Bowl(), Bounds(), {100, -50});
  EXPECT_TRUE(found.converged);
  // The value is minimal to 1e-12 of itself, so the place to about the root of that.
  EXPECT_NEAR(found.at[0], 104.0 / 31, 1e-5);
  EXPECT_NEAR(found.at[1], -44.0 / 31, 1e-5);
}

TEST(Minimise, StopsAtABoundAndSlidesAlongIt) {
  Bounds bounds;
  bounds.lower[1] = 0;
  // With y = 0 what is left is (x - 3)^2 + 2.
  Minimum found = minimise(Bowl(), bounds, {100, 5});
  EXPECT_TRUE(found.converged);
  EXPECT_EQ(found.at[1], 0);
  EXPECT_NEAR(found.at[0], 3, 1e-5);
  bounds.upper[0] = 2;
  found = minimise(Bowl(), bounds, {100, -50});  // from outside of both
  EXPECT_EQ(found.at[0], 2);
  EXPECT_EQ(found.at[1], 0);
}

TEST(Minimise, LeavesABoundWhenTheGradientLeadsInwards) {
  Bounds bounds;
  bounds.lower = {0, -10};
  Minimum found = minimise(Bowl(), bounds, {0, -10});
  EXPECT_NEAR(found.at[0], 104.0 / 31, 1e-5);
}

TEST(Minimise, FollowsABentValley) {
  Minimum found = minimise(Banana(), Bounds(), {-1.2, 1});
  EXPECT_TRUE(found.converged);
  EXPECT_NEAR(found.at[0], 1, 1e-6);
  EXPECT_NEAR(found.at[1], 1, 1e-6);
  EXPECT_LT(found.steps, 60);
}

TEST(Minimise, SaysWhenItHasNotArrived) {
  EXPECT_FALSE(minimise(Banana(), Bounds(), {-1.2, 1}, 3).converged);
  Minimum none = minimise(Nothing(), Bounds(), {1});
  EXPECT_FALSE(none.converged);
  EXPECT_EQ(none.at[0], 1);
}

}  // namespace
}  // namespace sextant::trainer::minimise_test
