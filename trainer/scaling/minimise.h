#pragma once

#include <array>
#include <limits>

namespace sextant::trainer {

// Minimum of a smooth function of a few parameters, each between two bounds: Newton's steps on the free
// parameters, damped as Levenberg and Marquardt do (Nocedal and Wright, "Numerical Optimization", 10.3), cut
// off at the bounds. A parameter at a bound is free again as soon as the gradient leads inwards.

inline constexpr int kMostParameters = 5;
using Parameters = std::array<double, kMostParameters>;

// Value, gradient and Hessian (or a stand-in that is near it) at one place; symmetric, both halves set.
struct Expansion {
  double value = 0;
  Parameters gradient{};
  std::array<Parameters, kMostParameters> hessian{};
  // What short steps are measured by: positive semidefinite, and in size like the Hessian.
  std::array<Parameters, kMostParameters> metric{};
};

class Objective {
 public:
  virtual ~Objective() = default;
  // How many of the parameters there are; the others stay as they are.
  virtual int parameters() const = 0;
  // The value is not finite where the function is not defined: such a step is not taken.
  virtual void expand(const Parameters& at, Expansion& expansion) const = 0;
};

struct Bounds {
  Parameters lower, upper;
  // None at all.
  Bounds() {
    lower.fill(-std::numeric_limits<double>::infinity());
    upper.fill(std::numeric_limits<double>::infinity());
  }
};

struct Minimum {
  Parameters at{};
  double value = 0;
  int steps = 0;
  // False: `most_steps` came first, or not even the start has a value.
  bool converged = false;
};

// `start` is moved into the bounds. Ends where a step of Newton's promises less than `tolerance` of the
// value, or where rounding lets none be better.
Minimum minimise(const Objective& objective, const Bounds& bounds, Parameters start, int most_steps = 500,
                 double tolerance = 1e-12);

}  // namespace sextant::trainer
