#include "trainer/kernels/simd/many_rows_linear.h"

#include "trainer/kernels/simd/lanes.h"

namespace sextant::trainer::SEXTANT_SIMD {
namespace {

// Sums that fit into the registers: AVX-512 has 32, the others 16.
constexpr int kPanelRows = SEXTANT_LANES == 16 ? 12 : 6;
constexpr int64_t kPanelOutputs = 2 * kLanes;

void pack(const float* input, int64_t rows, int64_t in, float* packed, int64_t first, int64_t last) {
  for (int64_t panel = first; panel < last; ++panel) {
    const float* from = input + panel * kPanelRows * in;
    float* to = packed + panel * kPanelRows * in;
    int64_t count = rows - panel * kPanelRows;
    if (count >= kPanelRows) {
      for (int64_t k = 0; k < in; ++k) {
        for (int64_t r = 0; r < kPanelRows; ++r) to[k * kPanelRows + r] = from[r * in + k];
      }
    } else {
      for (int64_t k = 0; k < in; ++k) {
        for (int64_t r = 0; r < kPanelRows; ++r) to[k * kPanelRows + r] = r < count ? from[r * in + k] : 0.0F;
      }
    }
  }
}

// Weights of `outputs` outputs, to [in, panel outputs], zeros past the last output.
void pack_weights(const float* weight, int64_t outputs, int64_t in, float* to) {
  constexpr int64_t kStep = 16;  // numbers of a row that are one line of the cache
  for (int64_t first = 0; first < in; first += kStep) {
    int64_t last = first + kStep < in ? first + kStep : in;
    for (int64_t n = 0; n < kPanelOutputs; ++n) {
      const float* from = weight + n * in;
      for (int64_t k = first; k < last; ++k) to[k * kPanelOutputs + n] = n < outputs ? from[k] : 0.0F;
    }
  }
}

// Terms that are summed before their sum joins the others: rounding grows with the terms of a sum.
constexpr int64_t kTerms = 128;

// Adds terms first .. last - 1 of one panel of rows times one of outputs; sums of row r in sums[r].
void add_terms(const float* input, const float* weights, int64_t first, int64_t last,
               Floats (&sums)[kPanelRows][2]) {
  Floats s[kPanelRows][2] = {};
  for (int64_t k = first; k < last; ++k) {
    Floats low = load(weights + k * kPanelOutputs, Whole{});
    Floats high = load(weights + k * kPanelOutputs + kLanes, Whole{});
    for (int r = 0; r < kPanelRows; ++r) {
      float x = input[k * kPanelRows + r];
      s[r][0] += x * low;
      s[r][1] += x * high;
    }
  }
  for (int r = 0; r < kPanelRows; ++r) {
    sums[r][0] += s[r][0];
    sums[r][1] += s[r][1];
  }
}

void store_panel(const Floats (&sums)[kPanelRows][2], const Floats (&bias)[2], float* output, int64_t stride,
                 int64_t rows, int64_t outputs) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t half = 0; half < 2; ++half) {
      float* to = output + r * stride + half * kLanes;
      int64_t count = outputs - half * kLanes;
      Floats result = sums[r][half] + bias[half];
      if (count >= kLanes) {
        store(to, result, Whole{});
      } else if (count > 0) {
        store(to, result, First{count});
      }
    }
  }
}

Floats load_bias(const ManyRowsLinear& work, int64_t first) {
  int64_t count = work.out - first;
  if (work.bias == nullptr || count <= 0) return Floats{};
  return count >= kLanes ? load(work.bias + first, Whole{}) : load(work.bias + first, First{count});
}

void multiply(const ManyRowsLinear& work, float* scratch, int64_t first, int64_t last) {
  for (int64_t panel = first; panel < last; ++panel) {
    int64_t n = panel * kPanelOutputs;
    int64_t outputs = work.out - n < kPanelOutputs ? work.out - n : kPanelOutputs;
    pack_weights(work.weight + n * work.in, outputs, work.in, scratch);
    Floats biases[2] = {load_bias(work, n), load_bias(work, n + kLanes)};
    for (int64_t row = 0; row < work.rows; row += kPanelRows) {
      Floats sums[kPanelRows][2] = {};
      for (int64_t k = 0; k < work.in; k += kTerms)
        add_terms(work.input + row * work.in, scratch, k, k + kTerms < work.in ? k + kTerms : work.in, sums);
      int64_t rows = work.rows - row < kPanelRows ? work.rows - row : kPanelRows;
      store_panel(sums, biases, work.output + row * work.out + n, work.out, rows, outputs);
    }
  }
}

}  // namespace

const ManyRowsLinearKernels kManyRowsLinearKernels = {kPanelRows, kPanelOutputs, pack, multiply};

}  // namespace sextant::trainer::SEXTANT_SIMD
