#pragma once

#include <ATen/core/Tensor.h>

#include "trainer/model/model.pb.h"

namespace sextant::trainer {

// Radians a position for each pair of channels, after the settings' scaling. [D/2] fp64.
at::Tensor rotary_frequencies(const ModelSettings& settings);

// The scaling alone, on given frequencies.
at::Tensor scaled_frequencies(const at::Tensor& frequencies, const RotaryScaling& scaling);

}  // namespace sextant::trainer
