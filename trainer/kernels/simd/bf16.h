#pragma once

#include <cstdint>

namespace sextant::trainer {

// The upper half of an fp32, as memory holds it; laid out as at::BFloat16, whose header is too rich for simd.
struct Bf16 {
  uint16_t bits;
};

}  // namespace sextant::trainer
