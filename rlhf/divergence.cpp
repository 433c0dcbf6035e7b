#include "rlhf/divergence.h"

#include <algorithm>
#include <cmath>

namespace sextant::rlhf {

double divergence(KlSettings::Estimator estimator, double log_ratio) {
  switch (estimator) {
    case KlSettings::k1:
      return log_ratio;
    case KlSettings::k2:
      return 0.5 * log_ratio * log_ratio;
    case KlSettings::k3:
      return std::expm1(-log_ratio) + log_ratio;
  }
  return log_ratio;
}

KlController::KlController(const KlSettings& settings)
    : settings_(settings), coefficient_(settings.coefficient()) {}

void KlController::update(double kl, int64_t episodes) {
  if (settings_.control() == KlSettings::fixed || !std::isfinite(kl)) return;
  double error = std::clamp(kl / settings_.target() - 1, -0.2, 0.2);
  coefficient_ *= 1 + error * static_cast<double>(episodes) / settings_.horizon();
}

}  // namespace sextant::rlhf
