#pragma once

#include <ATen/core/Tensor.h>

namespace sextant::trainer {

// Floating point operations a second of a large matrix multiply of this type on this device: what MFU is a
// share of where the run does not say. Takes about a tenth of a second. On ranks that share a machine, call
// on all at once.
double measured_peak_flops(at::ScalarType type, at::Device device);

}  // namespace sextant::trainer
