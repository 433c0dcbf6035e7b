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

// Huber's loss of one point, and what its derivatives weigh: of the residual's gradient (slope), of that
// gradient's outer product in the metric (parabola) and in the Hessian (bend), of the residual's own Hessian
// (curve).
struct PointLoss {
  double value, slope, parabola, bend, curve;

  PointLoss(double residual, double weight, double delta) {
    double size = std::abs(residual);
    bool near = size <= delta, far = size > kFar * delta;
    value = weight * (near ? residual * residual / 2 : delta * (size - delta / 2));
    slope = weight * (near ? residual : std::copysign(delta, residual));
    parabola = near ? weight : weight * delta / size;
    bend = near || far ? parabola : 0;
    curve = far ? 0 : slope;
  }
};

// Sums over points; of the matrices the lower halves.
template <int kCount>
struct Sums {
  double value = 0, gradient[kCount] = {}, hessian[kCount][kCount] = {}, metric[kCount][kCount] = {};

  void write(Expansion& expansion) const {
    expansion.value = value;
    for (int a = 0; a < kCount; ++a) {
      expansion.gradient[a] = gradient[a];
      for (int b = 0; b <= a; ++b) {
        expansion.hessian[a][b] = expansion.hessian[b][a] = hessian[a][b];
        expansion.metric[a][b] = expansion.metric[b][a] = metric[a][b];
      }
    }
  }
};

}  // namespace

double PowerLaw::log_value(const Parameters& at, const double* log_x) const {
  if (kind == Terms::kJoined) {
    double summands[2] = {at[0] - at[2] * log_x[0], at[1] - log_x[1]}, shares[2];
    return at[3] * log_sum<2>(summands, shares);
  }
  double sum = floor == Floor::kConstant ? std::exp(at[constant()]) : 0;
  for (int t = 0; t < terms; ++t) sum += std::exp(at[coefficient(t)] - at[exponent(t)] * log_x[t]);
  return std::log(sum);
}

HuberOfLogs::HuberOfLogs(PowerLaw law, const LogPoints& points, double delta, std::vector<double> weights)
    : law_(law), points_(points), delta_(delta), weights_(std::move(weights)) {
  expect(law.terms >= 1 && law.terms <= 2, "a power law has one or two powers");
  expect(law.kind == PowerLaw::Terms::kAdded || (law.terms == 2 && law.floor == PowerLaw::Floor::kNone),
         "joined terms are two, without a constant");
  expect(points.log_x.size() == static_cast<size_t>(law.terms), "every power has a variable of its own");
  expect(weights_.empty() || weights_.size() == points.size(), "every point has a weight");
}

// One form of the law with the number of its parts known to the compiler: this is the whole time of a fit.
template <int kTerms, bool kFloor>
void HuberOfLogs::expand_added(const Parameters& at, Expansion& expansion) const {
  constexpr int kSummands = kTerms + (kFloor ? 1 : 0), kCount = 2 * kTerms + (kFloor ? 1 : 0);
  Sums<kCount> sums;
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
    const PointLoss loss(log_sum<kSummands>(summands, shares) - points_.log_y[i], weight, delta_);
    sums.value += loss.value;
    double outer[kCount];
    for (int a = 0; a < kCount; ++a) {
      int own = a < 2 * kTerms ? a % kTerms : kTerms;
      outer[a] = inner[a] * shares[own];
      sums.gradient[a] += loss.slope * outer[a];
      for (int b = 0; b <= a; ++b) {
        sums.metric[a][b] += loss.parabola * outer[a] * outer[b];
        sums.hessian[a][b] += (loss.bend - loss.curve) * outer[a] * outer[b];
        if (own == (b < 2 * kTerms ? b % kTerms : kTerms))
          sums.hessian[a][b] += loss.curve * outer[a] * inner[b];
      }
    }
  }
  sums.write(expansion);
}

// Parameters: both coefficients, the exponent of x_0, the exponent of the whole.
void HuberOfLogs::expand_joined(const Parameters& at, Expansion& expansion) const {
  Sums<4> sums;
  for (size_t i = 0; i < points_.size(); ++i) {
    double weight = weights_.empty() ? 1 : weights_[i];
    if (weight == 0) continue;
    double log_x = points_.log_x[0][i], whole = at[3];
    double summands[2] = {at[0] - at[2] * log_x, at[1] - points_.log_x[1][i]}, shares[2];
    double log_of_sum = log_sum<2>(summands, shares);
    // First and second derivatives of the logarithm of the sum, in its own three parameters.
    double first[3] = {shares[0], shares[1], -log_x * shares[0]};
    double both = shares[0] * shares[1];
    double second[3][3] = {
        {both, 0, 0}, {-both, both, 0}, {-log_x * both, log_x * both, log_x * log_x * both}};
    const PointLoss loss(whole * log_of_sum - points_.log_y[i], weight, delta_);
    sums.value += loss.value;
    double outer[4] = {whole * first[0], whole * first[1], whole * first[2], log_of_sum};
    for (int a = 0; a < 4; ++a) {
      sums.gradient[a] += loss.slope * outer[a];
      for (int b = 0; b <= a; ++b) {
        double own = a < 3 ? whole * second[a][b] : b < 3 ? first[b] : 0;
        sums.metric[a][b] += loss.parabola * outer[a] * outer[b];
        sums.hessian[a][b] += loss.bend * outer[a] * outer[b] + loss.curve * own;
      }
    }
  }
  sums.write(expansion);
}

void HuberOfLogs::expand(const Parameters& at, Expansion& expansion) const {
  if (law_.kind == PowerLaw::Terms::kJoined) return expand_joined(at, expansion);
  bool floor = law_.floor == PowerLaw::Floor::kConstant;
  if (law_.terms == 2)
    return floor ? expand_added<2, true>(at, expansion) : expand_added<2, false>(at, expansion);
  return floor ? expand_added<1, true>(at, expansion) : expand_added<1, false>(at, expansion);
}

}  // namespace sextant::trainer
