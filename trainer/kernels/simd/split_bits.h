#pragma once

#include "trainer/kernels/simd/bf16.h"

namespace sextant::trainer {

// Where the parts of fp32 numbers lie (trainer/kernels/split_master.h).
struct SplitMemory {
  Bf16* value;
  int16_t* low;
  uint8_t* ties;  // number i: bit i % 8 of byte i / 8; whole 16 bits of them
};

}  // namespace sextant::trainer
