#pragma once

#include <cstdint>

namespace sextant::trainer {

// The loops of trainer/kernels/fixed_point over one stretch of plain memory. Integers and what is made of
// them are the same from every table: powers of two multiply exactly, and each rounding is to nearest, ties
// to even.
struct FixedPointKernels {
  // to = or += round(from scale); |from scale| < 2^51. Returns the bits of the largest |from|, which order as
  // magnitudes do, those of infinities and NaNs last.
  uint32_t (*write_fp32)(int64_t* to, const float* from, int64_t count, double scale);
  uint32_t (*add_fp32)(int64_t* to, const float* from, int64_t count, double scale);
  uint64_t (*write_fp64)(int64_t* to, const double* from, int64_t count, double scale);
  uint64_t (*add_fp64)(int64_t* to, const double* from, int64_t count, double scale);
  // to = from quantum. Returns the bits of the largest |to|.
  uint32_t (*convert_fp32)(float* to, const int64_t* from, int64_t count, double quantum);
  uint64_t (*convert_fp64)(double* to, const int64_t* from, int64_t count, double quantum);
  // Sum of round(2^50 (from scale)^2), of at most 4096 numbers, |from scale| <= 1.
  int64_t (*squares_fp32)(const float* from, int64_t count, double scale);
  int64_t (*squares_fp64)(const double* from, int64_t count, double scale);
};

namespace plain {
extern const FixedPointKernels kFixedPointKernels;
}
namespace avx2 {
extern const FixedPointKernels kFixedPointKernels;
}
namespace avx512 {
extern const FixedPointKernels kFixedPointKernels;
}

}  // namespace sextant::trainer
