#include "trainer/kernels/simd/few_rows_linear.h"

#include "trainer/kernels/simd/lanes.h"
#include "trainer/kernels/simd/tree_sum.h"

namespace sextant::trainer::SEXTANT_SIMD {
namespace {

constexpr int64_t kWeightRows = 4;  // read side by side, so that an input vector serves four sums

void store_one(float* to, float x) {
  *to = x;
}

void store_one(Bf16* to, float x) {
  Bf16 lanes[kLanes];
  store(lanes, broadcast(x), Whole{});
  *to = lanes[0];
}

float load_one(const float* from) {
  return *from;
}

float load_one(const Bf16* from) {
  return load(from, First{1})[0];
}

// Where rows end and begin again one block further, so that memory is asked for before it is needed.
template <class Number>
void ask_for_next_block(const Number* weight, int64_t in) {
  __builtin_prefetch(weight + 8 * kWeightRows * in, 0, 2);
}

// Sums for `Rows` input rows from `row` on and `Outputs` outputs from n on.
template <int Rows, int Outputs, class Number, class Output>
void block(const FewRowsLinear<Number, Output>& work, int64_t row, int64_t n) {
  constexpr int kSums = Rows * Outputs;
  constexpr int kRounded = (kSums + SEXTANT_LANES - 1) / SEXTANT_LANES * SEXTANT_LANES;
  Floats sums[kRounded] = {};  // sum of row m and output j at m * Outputs + j
  each_vector(work.in, [&](int64_t k, auto which) {
    Floats weights[Outputs];
    for (int j = 0; j < Outputs; ++j) {
      const Number* from = work.weight + (n + j) * work.in + k;
      weights[j] = load(from, which);
      if constexpr (Outputs == kWeightRows) ask_for_next_block(from, work.in);
    }
    for (int m = 0; m < Rows; ++m) {
      Floats x = load(work.input + (row + m) * work.in + k, which);
      for (int j = 0; j < Outputs; ++j) sums[m * Outputs + j] += x * weights[j];
    }
  });
  float results[kRounded];
  for (int i = 0; i < kRounded; i += SEXTANT_LANES) store(results + i, tree_sums(sums + i), Whole{});
  for (int m = 0; m < Rows; ++m) {
    for (int j = 0; j < Outputs; ++j) {
      float bias = work.bias != nullptr ? load_one(work.bias + n + j) : 0.0F;
      store_one(work.output + (row + m) * work.out + n + j, results[m * Outputs + j] + bias);
    }
  }
}

template <int Outputs, class Number, class Output>
void all_rows(const FewRowsLinear<Number, Output>& work, int64_t n) {
  int64_t row = 0;
  for (; row + 4 <= work.rows; row += 4) block<4, Outputs>(work, row, n);
  for (; row + 2 <= work.rows; row += 2) block<2, Outputs>(work, row, n);
  if (row < work.rows) block<1, Outputs>(work, row, n);
}

template <class Number, class Output>
void outputs(const FewRowsLinear<Number, Output>& work, int64_t first, int64_t last) {
  int64_t n = first;
  for (; n + kWeightRows <= last; n += kWeightRows) all_rows<kWeightRows>(work, n);
  for (; n < last; ++n) all_rows<1>(work, n);
}

}  // namespace

const FewRowsLinearKernels kFewRowsLinearKernels = {outputs<float, float>, outputs<Bf16, Bf16>,
                                                    outputs<Bf16, float>};

}  // namespace sextant::trainer::SEXTANT_SIMD
