#pragma once

#include <string>
#include <vector>

#include "trainer/scaling/minimise.h"

namespace sextant::trainer {

// y = sum over t of exp(coefficient_t) / x_t ^ exponent_t, and a constant exp(constant) where the form has
// one: one power of compute (L(C) = a C^b + c), or parameters and tokens (L(N, D) = E + A / N^alpha + B /
// D^beta; Hoffmann et al. 2022, arXiv 2203.15556, equation 10). Coefficients and the constant are fitted as
// logarithms, so that they stay above 0 (its appendix D.3).
//
// Joined terms are two without a constant: y = (exp(coefficient_0) / x_0 ^ exponent_0 + exp(coefficient_1) /
// x_1) ^ exponent_1, which is L(N, D) = [(N_c / N)^(alpha_N / alpha_D) + D_c / D]^alpha_D (Kaplan et al.
// 2020, arXiv 2001.08361, equation 1.5) with exponent_0 = alpha_N / alpha_D and exponent_1 = alpha_D.
struct PowerLaw {
  enum class Floor { kNone, kConstant };  // what is left as every x grows
  enum class Terms { kAdded, kJoined };
  int terms = 1;  // 1 or 2
  Floor floor = Floor::kConstant;
  Terms kind = Terms::kAdded;

  int parameters() const { return 2 * terms + (floor == Floor::kConstant ? 1 : 0); }
  // Where a parameter stands: coefficients, then exponents, then the constant.
  int coefficient(int term) const { return term; }
  int exponent(int term) const { return terms + term; }
  int constant() const { return 2 * terms; }

  // The law at logarithms of x: log y.
  double log_value(const Parameters& at, const double* log_x) const;
};

// Points of a law: logarithms throughout, [points] each.
struct LogPoints {
  std::vector<std::vector<double>> log_x;  // a list for each term
  std::vector<double> log_y;

  size_t size() const { return log_y.size(); }
};

// Sum over points of Huber(log of the law's value - log y) with this delta: quadratic within, linear beyond.
// Summed, not averaged (Besiroglu et al. 2024, arXiv 2404.10102: averaging stopped the original fit early).
// `weights` count each point so many times (a bootstrap's draw); empty: once each.
class HuberOfLogs : public Objective {
 public:
  static constexpr double kDelta = 1e-3;

  HuberOfLogs(PowerLaw law, const LogPoints& points, double delta = kDelta, std::vector<double> weights = {});

  int parameters() const override { return law_.parameters(); }
  // The metric is the Hessian of the parabolas that touch each point's loss from above (iteratively
  // reweighted least squares): a step by it alone never goes up. Points further off than 50 deltas are in the
  // Hessian with their parabola too, so that far starts take steps of a good length; it is the true one
  // otherwise.
  void expand(const Parameters& at, Expansion& expansion) const override;

 private:
  PowerLaw law_;
  const LogPoints& points_;
  double delta_;
  std::vector<double> weights_;

  template <int kTerms, bool kFloor>
  void expand_added(const Parameters& at, Expansion& expansion) const;
  void expand_joined(const Parameters& at, Expansion& expansion) const;
};

}  // namespace sextant::trainer
