#include "trainer/kernels/simd/column_sum.h"

#include "trainer/kernels/simd/lanes.h"

namespace sextant::trainer::SEXTANT_SIMD {
namespace {

template <class Number>
void add_columns(const Number* x, int64_t stride, int64_t rows, int64_t first, int64_t last, float* sums) {
  for (int64_t row = 0; row < rows; ++row) {
    const Number* from = x + row * stride + first;
    each_vector(last - first, [&](int64_t i, auto which) {
      store(sums + first + i, load(sums + first + i, which) + load(from + i, which), which);
    });
  }
}

}  // namespace

const ColumnSumKernels kColumnSumKernels = {add_columns<float>, add_columns<Bf16>};

}  // namespace sextant::trainer::SEXTANT_SIMD
