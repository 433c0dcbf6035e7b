#include "trainer/scaling/power_law.h"

#include <algorithm>
#include <cmath>

#include "parallel/base/error.h"

namespace sextant::trainer {
namespace {

// Residuals beyond so many deltas take the parabola's curvature.
constexpr double kFar = 50;

// log of the sum of exp(summand), and each one's share of the sum.
template <int kCount>
double log_sum(const double* summands, double* shares) {
  double most = summands[0];
  for (int k = 1; k < kCount; ++k) most = std::max(most, summands[k]);
  double sum = 0;
  for (int k = 0; k < kCount; ++k) {
    shares[k] = std::exp(summands[k] - most);
    sum += shares[k];
  }
  for (int k = 0; k < kCount; ++k) shares[k] /= sum;
  return most + std::log(sum);
}

double huber(double residual, double delta) {
  double size = std::abs(residual);
  return size <= delta ? residual * residual / 2 : delta * (size - delta / 2);
}

}  // namespace

double PowerLaw::log_value(const Parameters& at, const double* log_x) const {
  double sum = floor == Floor::kConstant ? std::exp(at[constant()]) : 0;
  for (int t = 0; t < terms; ++t) sum += std::exp(at[coefficient(t)] - at[exponent(t)] * log_x[t]);
  return std::log(sum);
}

HuberOfLogs::HuberOfLogs(PowerLaw law, const LogPoints& points, double delta, std::vector<double> weights)
    : law_(law), points_(points), delta_(delta), weights_(std::move(weights)) {
  expect(law.terms >= 1 && law.terms <= 2, "a power law has one or two powers");
  expect(points.log_x.size() == static_cast<size_t>(law.terms), "every power has a variable of its own");
  expect(weights_.empty() || weights_.size() == points.size(), "every point has a weight");
}

// One form of the law with the number of its parts known to the compiler: this is the whole time of a fit.
template <int kTerms, bool kFloor>
void HuberOfLogs::expand_form(const Parameters& at, Expansion& expansion) const {
  constexpr int kSummands = kTerms + (kFloor ? 1 : 0), kCount = 2 * kTerms + (kFloor ? 1 : 0);
  double value = 0, gradient[kCount] = {}, hessian[kCount][kCount] = {}, metric[kCount][kCount] = {};
  for (size_t i = 0; i < points_.size(); ++i) {
    double weight = weights_.empty() ? 1 : weights_[i];
    if (weight == 0) continue;
    double summands[kSummands], shares[kSummands], inner[kCount];
    for (int t = 0; t < kTerms; ++t) {
      double log_x = points_.log_x[t][i];
      summands[t] = at[t] - at[kTerms + t] * log_x;
      inner[t] = 1;
      inner[kTerms + t] = -log_x;
    }
    if (kFloor) {
      summands[kTerms] = at[size_t{2} * kTerms];
      inner[kCount - 1] = 1;
    }
    double residual = log_sum<kSummands>(summands, shares) - points_.log_y[i];
    double size = std::abs(residual);
    value += weight * huber(residual, delta_);
    double slope = weight * (size <= delta_ ? residual : std::copysign(delta_, residual));
    bool far = size > kFar * delta_;
    double parabola = size <= delta_ ? weight : weight * delta_ / size;
    double bend = size <= delta_ || far ? parabola : 0;
    double curve = far ? 0 : slope;
    double outer[kCount];
    for (int a = 0; a < kCount; ++a) {
      int own = a < 2 * kTerms ? a % kTerms : kTerms;
      outer[a] = inner[a] * shares[own];
      gradient[a] += slope * outer[a];
      for (int b = 0; b <= a; ++b) {
        metric[a][b] += parabola * outer[a] * outer[b];
        hessian[a][b] += (bend - curve) * outer[a] * outer[b];
        if (own == (b < 2 * kTerms ? b % kTerms : kTerms)) hessian[a][b] += curve * outer[a] * inner[b];
      }
    }
  }
  expansion.value = value;
  for (int a = 0; a < kCount; ++a) {
    expansion.gradient[a] = gradient[a];
    for (int b = 0; b <= a; ++b) {
      expansion.hessian[a][b] = expansion.hessian[b][a] = hessian[a][b];
      expansion.metric[a][b] = expansion.metric[b][a] = metric[a][b];
    }
  }
}

void HuberOfLogs::expand(const Parameters& at, Expansion& expansion) const {
  bool floor = law_.floor == PowerLaw::Floor::kConstant;
  if (law_.terms == 2)
    return floor ? expand_form<2, true>(at, expansion) : expand_form<2, false>(at, expansion);
  return floor ? expand_form<1, true>(at, expansion) : expand_form<1, false>(at, expansion);
}

}  // namespace sextant::trainer
