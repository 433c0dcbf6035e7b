#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "trainer/kernels/simd/split_bits.h"

namespace sextant::trainer {

// fp32 weights in two parts, of which forward reads one: the bf16 number nearest to each (ties to even), and
// what rounding left out. 17 bits beside the 16 hold all 32 of them:
//   bits(master) = 2^16 bits(value) + low + 2^16 tie
// `low` is -2^15 to 2^15 - 1; a number half way above an even value is 2^15 above it, one more than 16 bits
// can say of a difference, and that is what `tie` says. A NaN stays some NaN; all else comes back bit by bit.
//
// It shares the memory of the value, whose numbers no other may change. On a CPU.
class SplitMaster {
 public:
  // None.
  SplitMaster() = default;
  // value [elements] bf16, contiguous. The master is what the value is, until put() is called.
  explicit SplitMaster(at::Tensor value);

  bool defined() const { return value_.defined(); }
  int64_t elements() const { return value_.numel(); }

  // The masters themselves, [elements] fp32, in memory of their own.
  at::Tensor joined() const;
  // Sets value and rest. master [elements], fp32.
  void put(const at::Tensor& master) const;

  // Of a range, in the same memory.
  SplitMaster narrow(int64_t first, int64_t elements) const;

  // The first number's parts. A range's need not start with a byte of ties: what is narrowed has none.
  SplitMemory memory() const;
  // All distinct tensors: value, low [elements] int16, ties [a bit for each element].
  std::vector<at::Tensor> tensors() const { return {value_, low_, ties_}; }

 private:
  at::Tensor value_, low_;
  at::Tensor ties_;        // bytes; of the whole that this may be a range of
  int64_t first_tie_ = 0;  // bit of the first number
};

}  // namespace sextant::trainer
