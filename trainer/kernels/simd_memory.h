#pragma once

#include <ATen/core/Tensor.h>

#include "trainer/kernels/simd/bf16.h"

namespace sextant::trainer {

// Tensors as the kernels under simd/ see them: raw memory of fp32 or bf16.

// On a CPU and of a type that the kernels know. fp64 and GPUs go through ATen.
inline bool fits_simd(const at::Tensor& x) {
  return x.is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}

// The first number of a contiguous tensor, null where it is undefined.
template <class Number>
Number* memory_of(const at::Tensor& x) {
  return x.defined() ? static_cast<Number*>(x.data_ptr()) : nullptr;
}

// work(Number()) for the type of x, float or Bf16.
template <class Work>
void with_number(const at::Tensor& x, const Work& work) {
  if (x.scalar_type() == at::kBFloat16) {
    work(Bf16{});
  } else {
    work(float{});
  }
}

}  // namespace sextant::trainer
