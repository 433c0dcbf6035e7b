#include "trainer/optimizer/learning_rate.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace sextant::trainer {

double learning_rate(const OptimizerSettings& settings, Step step, int64_t steps) {
  double peak = settings.learning_rate(), last = peak * settings.final_fraction();
  int64_t s = std::min(step.value(), steps), warmup = settings.warmup_steps();
  if (s < warmup) return peak * static_cast<double>(s + 1) / static_cast<double>(warmup);
  double progress =
      static_cast<double>(s - warmup) / static_cast<double>(std::max<int64_t>(1, steps - warmup));
  switch (settings.schedule()) {
    case OptimizerSettings::cosine:
      return last + (peak - last) * 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
    case OptimizerSettings::linear:
      return peak + (last - peak) * progress;
    case OptimizerSettings::wsd: {
      int64_t into_decay = s - (steps - settings.decay_steps()) + 1;
      if (into_decay <= 0) return peak;
      double share = static_cast<double>(into_decay) / static_cast<double>(settings.decay_steps());
      return peak + (last - peak) * std::min(1.0, share);
    }
    case OptimizerSettings::constant:
      return peak;
  }
  return peak;
}

}  // namespace sextant::trainer
