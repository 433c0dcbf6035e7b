#include "trainer/kernels/simd/norm.h"

#include "trainer/kernels/simd/lanes.h"

namespace sextant::trainer::SEXTANT_SIMD {
namespace {

// x + addend, rounded to memory's type and kept there: backward must see the numbers that forward normalised.
template <class Number>
const Number* add(const NormForward<Number>& work, int64_t row) {
  const Number* x = work.x + row * work.width;
  if (work.addend == nullptr) return x;
  const Number* addend = work.addend + row * work.width;
  Number* total = work.total + row * work.width;
  each_vector(work.width, [&](int64_t i, auto which) {
    store(total + i, load(x + i, which) + load(addend + i, which), which);
  });
  return total;
}

template <class Number>
float row_mean(const Number* x, int64_t width) {
  Floats total{};
  each_vector(width, [&](int64_t i, auto which) { total += load(x + i, which); });
  return sum(total) / static_cast<float>(width);
}

// Mean of (x - centre)^2.
template <class Number>
float mean_square(const Number* x, float centre, int64_t width) {
  Floats total{};
  each_vector(width, [&](int64_t i, auto which) {
    Floats distance = keep(load(x + i, which) - centre, Floats{}, which);
    total += distance * distance;
  });
  return sum(total) / static_cast<float>(width);
}

template <class Number>
void forward(const NormForward<Number>& work, int64_t first, int64_t last) {
  for (int64_t row = first; row < last; ++row) {
    const Number* x = add(work, row);
    float mean = work.mean != nullptr ? row_mean(x, work.width) : 0.0F;
    float reciprocal = 1.0F / __builtin_sqrtf(mean_square(x, mean, work.width) + work.epsilon);
    if (work.mean != nullptr) work.mean[row] = mean;
    work.reciprocal_spread[row] = reciprocal;
    Number* y = work.y + row * work.width;
    if (work.bias == nullptr) {
      each_vector(work.width, [&](int64_t i, auto which) {
        store(y + i, load(x + i, which) * reciprocal * load(work.weight + i, which), which);
      });
    } else {
      each_vector(work.width, [&](int64_t i, auto which) {
        Floats normalised = (load(x + i, which) - mean) * reciprocal;
        store(y + i, normalised * load(work.weight + i, which) + load(work.bias + i, which), which);
      });
    }
  }
}

// What a row's dx needs of the whole row: the means of g w and of g w x^, with x^ the normalised x.
struct RowMeans {
  float plain, along;
};

// One pass that also adds the row's share of the weight's and bias's gradients.
template <class Number>
RowMeans row_sums(const Number* grad, const Number* x, const NormBackward<Number>& work, float mean,
                  float reciprocal, float* dweight, float* dbias) {
  Floats plain{}, along{};
  each_vector(work.width, [&](int64_t i, auto which) {
    Floats g = load(grad + i, which);
    Floats normalised = (load(x + i, which) - mean) * reciprocal;
    store(dweight + i, load(dweight + i, which) + g * normalised, which);
    if (dbias != nullptr) store(dbias + i, load(dbias + i, which) + g, which);
    Floats scaled = g * load(work.weight + i, which);
    plain += scaled;
    along += scaled * normalised;
  });
  auto width = static_cast<float>(work.width);
  return {dbias != nullptr ? sum(plain) / width : 0.0F, sum(along) / width};
}

template <class Number>
void backward(const NormBackward<Number>& work, int64_t first, int64_t last, float* dweight, float* dbias) {
  for (int64_t row = first; row < last; ++row) {
    const Number* grad = work.grad + row * work.width;
    const Number* x = work.x + row * work.width;
    const Number* skip = work.skip != nullptr ? work.skip + row * work.width : nullptr;
    Number* dx = work.dx + row * work.width;
    float mean = work.mean != nullptr ? work.mean[row] : 0.0F;
    float reciprocal = work.reciprocal_spread[row];
    RowMeans means = row_sums(grad, x, work, mean, reciprocal, dweight, dbias);
    each_vector(work.width, [&](int64_t i, auto which) {
      Floats scaled = load(grad + i, which) * load(work.weight + i, which);
      Floats normalised = (load(x + i, which) - mean) * reciprocal;
      Floats result = (scaled - means.plain - normalised * means.along) * reciprocal;
      if (skip != nullptr) result += load(skip + i, which);
      store(dx + i, result, which);
    });
  }
}

}  // namespace

const NormKernels kNormKernels = {{forward<float>, backward<float>}, {forward<Bf16>, backward<Bf16>}};

}  // namespace sextant::trainer::SEXTANT_SIMD
