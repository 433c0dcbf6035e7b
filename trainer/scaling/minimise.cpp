#include "trainer/scaling/minimise.h"

#include <algorithm>
#include <cmath>

namespace sextant::trainer {
namespace {

// Where metric and Hessian are both singular, this share of the diagonal still bounds the step.
constexpr double kDiagonal = 1e-2;

using Matrix = std::array<Parameters, kMostParameters>;

// Which parameters may move: not those at a bound that the descent would lead out of.
std::array<bool, kMostParameters> free_ones(const Parameters& at, const Parameters& gradient,
                                            const Bounds& bounds, int count) {
  std::array<bool, kMostParameters> free{};
  for (int i = 0; i < count; ++i) {
    bool held =
        (at[i] <= bounds.lower[i] && gradient[i] >= 0) || (at[i] >= bounds.upper[i] && gradient[i] <= 0);
    free[i] = !held;
  }
  return free;
}

// Solves (H + damping * metric) step = -gradient over the free parameters by Cholesky's factors; 0 for the
// others. False where the matrix is not positive definite.
bool damped_step(const Expansion& here, const std::array<bool, kMostParameters>& free, int count,
                 double damping, Parameters& step) {
  std::array<int, kMostParameters> index{};
  int size = 0;
  for (int i = 0; i < count; ++i) {
    if (free[i]) index[size++] = i;
  }
  // A direction in which nothing changes must not be one of boundless steps.
  double least = 1e-300;
  for (int i = 0; i < size; ++i) least = std::max(least, 1e-9 * here.metric[index[i]][index[i]]);
  Matrix factor{};
  Parameters solved{};
  for (int row = 0; row < size; ++row) {
    double own = here.hessian[index[row]][index[row]];
    for (int column = 0; column <= row; ++column) {
      double sum = here.hessian[index[row]][index[column]] + damping * here.metric[index[row]][index[column]];
      if (row == column) sum += damping * (least + kDiagonal * here.metric[index[row]][index[row]]);
      for (int k = 0; k < column; ++k) sum -= factor[row][k] * factor[column][k];
      if (row != column) {
        factor[row][column] = sum / factor[column][column];
      } else if (sum > 1e-14 * std::abs(own)) {
        factor[row][row] = std::sqrt(sum);
      } else {
        return false;
      }
    }
    double right = -here.gradient[index[row]];
    for (int k = 0; k < row; ++k) right -= factor[row][k] * solved[k];
    solved[row] = right / factor[row][row];
  }
  step.fill(0);
  for (int row = size - 1; row >= 0; --row) {
    double sum = solved[row];
    for (int k = row + 1; k < size; ++k) sum -= factor[k][row] * step[index[k]];
    step[index[row]] = sum / factor[row][row];
  }
  return true;
}

Parameters moved(const Parameters& at, const Parameters& step, const Bounds& bounds, int count) {
  Parameters there = at;
  for (int i = 0; i < count; ++i) there[i] = std::clamp(at[i] + step[i], bounds.lower[i], bounds.upper[i]);
  return there;
}

double promised(const Expansion& here, const Parameters& from, const Parameters& to, int count) {
  double first = 0, second = 0;
  for (int i = 0; i < count; ++i) {
    first += here.gradient[i] * (to[i] - from[i]);
    for (int j = 0; j < count; ++j) second += (to[i] - from[i]) * here.hessian[i][j] * (to[j] - from[j]);
  }
  return -(first + second / 2);
}

}  // namespace

Minimum minimise(const Objective& objective, const Bounds& bounds, Parameters start, int most_steps,
                 double tolerance) {
  constexpr double kLeastDamping = 1e-9, kMostDamping = 1e9, kEase = 10, kTighten = 4;
  const int count = objective.parameters();
  Minimum best;
  best.at = moved(start, Parameters{}, bounds, count);
  Expansion here, next;
  objective.expand(best.at, here);
  best.value = here.value;
  double damping = 1e-3;
  while (std::isfinite(best.value) && best.steps < most_steps) {
    Parameters there = best.at;
    double gain = 0;
    bool solved = damped_step(here, free_ones(best.at, here.gradient, bounds, count), count, damping, there);
    if (solved) {
      there = moved(best.at, there, bounds, count);
      gain = promised(here, best.at, there, count);
      best.converged = std::abs(gain) <= tolerance * std::abs(best.value) && damping <= 1;
      if (best.converged) return best;
      objective.expand(there, next);
      ++best.steps;
    }
    if (solved && next.value < best.value) {
      double won = best.value - next.value;
      best.at = there;
      best.value = next.value;
      std::swap(here, next);
      if (won > 0.5 * gain) damping = std::max(damping / kEase, kLeastDamping);
    } else {
      damping *= kTighten;
      best.converged = damping > kMostDamping;  // no step, however short, is better by more than rounding
      if (best.converged) return best;
    }
  }
  return best;
}

}  // namespace sextant::trainer
