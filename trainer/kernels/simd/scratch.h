#pragma once

#include "trainer/kernels/simd/attention.h"

namespace sextant::trainer::SEXTANT_SIMD {

// Hands out pieces of a task's scratch memory. To count how much that is, let it hand out what is never
// touched.
struct Scratch {
  char* base;
  int64_t used = 0;

  template <class Number>
  Number* take(int64_t count) {
    int64_t at = used;
    used += (count * static_cast<int64_t>(sizeof(Number)) + 63) / 64 * 64;
    return reinterpret_cast<Number*>(base + at);
  }
};

template <class Number>
Number* place_of(Number* tensor, const HeadStrides& strides, int64_t batch, int64_t head) {
  return tensor + batch * strides.batch + head * strides.head;
}

}  // namespace sextant::trainer::SEXTANT_SIMD
