#include "trainer/scaling/sigmoid.h"

#include <cmath>

namespace sextant::trainer {

double Sigmoid::at(double loss) const {
  return height / (1 + std::exp(-slope * (loss - middle))) + floor;
}

void SigmoidSquares::expand(const Parameters& at, Expansion& expansion) const {
  expansion = Expansion{};
  const auto [height, middle, slope, floor] = Sigmoid{at[0], at[1], at[2], at[3]};
  for (const LossAndAccuracy& point : points_) {
    double share = 1 / (1 + std::exp(-slope * (point.loss - middle)));
    double bend = height * share * (1 - share);
    double difference = height * share + floor - point.accuracy;
    double slopes[4] = {share, -slope * bend, (point.loss - middle) * bend, 1};
    expansion.value += difference * difference / 2;
    for (int a = 0; a < 4; ++a) {
      expansion.gradient[a] += difference * slopes[a];
      for (int b = 0; b < 4; ++b) expansion.hessian[a][b] += slopes[a] * slopes[b];
      expansion.metric[a][a] = expansion.hessian[a][a];
    }
  }
}

Sigmoid fit_sigmoid(std::vector<LossAndAccuracy> points, double chance) {
  points.push_back({0, 1});
  Bounds bounds;
  bounds.lower = {-1, 0, 0, 0, 0};
  bounds.upper[0] = 0;
  bounds.upper[3] = 1;
  Minimum found = minimise(SigmoidSquares(points), bounds, {chance - 1, 0.9, 3, 1, 0});
  return {found.at[0], found.at[1], found.at[2], found.at[3]};
}

}  // namespace sextant::trainer
