#pragma once

#include <vector>

#include "trainer/scaling/minimise.h"

namespace sextant::trainer {

// Accuracy from a task's loss: floor + height / (1 + exp(-slope (loss - middle))), with a height below 0,
// since a lower loss is a better answer (Bhagia et al. 2024, arXiv 2412.04403, equation 3).
struct Sigmoid {
  double height = 0, middle = 0, slope = 0, floor = 0;
  double at(double loss) const;
};

struct LossAndAccuracy {
  double loss = 0, accuracy = 0;
};

// Half the sum of squared differences. Parameters: height, middle, slope, floor. The Hessian is Gauss and
// Newton's.
class SigmoidSquares : public Objective {
 public:
  explicit SigmoidSquares(const std::vector<LossAndAccuracy>& points) : points_(points) {}
  int parameters() const override { return 4; }
  void expand(const Parameters& at, Expansion& expansion) const override;

 private:
  const std::vector<LossAndAccuracy>& points_;
};

// Least squares within height -1..0, middle and slope above 0, floor 0..1, where one more point says that a
// loss of 0 is an accuracy of 1. `chance` is the accuracy of guessing, from which the fit starts. (The
// paper's appendix; its program does the same.)
Sigmoid fit_sigmoid(std::vector<LossAndAccuracy> points, double chance);

}  // namespace sextant::trainer
