#include "trainer/model/rotary_frequencies.h"

#include <ATen/ATen.h>

#include <cmath>

#include "trainer/model/model_rules.h"

namespace sextant::trainer {

at::Tensor rotary_frequencies(const ModelSettings& settings) {
  int64_t width = head_width(settings);
  at::Tensor exponent = at::arange(0, width, 2, at::kDouble).div_(static_cast<double>(width));  // [D/2]
  at::Tensor frequencies = at::pow(at::Scalar(settings.rotary_base()), exponent).reciprocal_();
  return scaled_frequencies(frequencies, settings.rotary_scaling());
}

at::Tensor scaled_frequencies(const at::Tensor& frequencies, const RotaryScaling& scaling) {
  if (scaling.kind() == RotaryScaling::unscaled) return frequencies;
  at::Tensor stretched = frequencies / scaling.factor();
  if (scaling.kind() == RotaryScaling::linear) return stretched;
  // Turns that each pair makes over the original context decide how much of it stays as it is.
  at::Tensor turns = frequencies * (scaling.original_context() / (2 * M_PI));
  double range = scaling.high_frequency() - scaling.low_frequency();
  at::Tensor stays = ((turns - scaling.low_frequency()) / range).clamp(0, 1);
  return stretched * (1 - stays) + frequencies * stays;
}

}  // namespace sextant::trainer
