#include "trainer/kernels/split_master.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "parallel/base/error.h"
#include "trainer/kernels/share_out.h"
#include "trainer/kernels/simd_memory.h"

namespace sextant::trainer {
namespace {

constexpr int64_t kTiesTogether = 16;        // bits that the vector kernels read at a time
constexpr int64_t kNumbersOfTask = 1 << 14;  // numbers; two threads never share a byte of ties

float join(Bf16 value, int16_t low, bool tie) {
  auto rest = static_cast<uint32_t>(int32_t{low}) + (tie ? 1U << 16 : 0U);
  return std::bit_cast<float>((uint32_t{value.bits} << 16) + rest);
}

struct Parts {
  Bf16 value;
  int16_t low;
  bool tie;
};

Parts split(float master) {
  if (std::isnan(master)) return {{0x7fc0}, 0, false};
  auto bits = std::bit_cast<uint32_t>(master);
  auto value = static_cast<uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
  uint32_t rest = bits - (uint32_t{value} << 16);
  return {{value}, static_cast<int16_t>(static_cast<uint16_t>(rest)), rest == 0x8000U};
}

// work(i, tie's bit) for all numbers of a range whose first has the bit `first_tie`.
template <class Work>
void each_number(int64_t elements, int64_t first_tie, const Work& work) {
  int64_t end = first_tie + elements;
  share_out(first_tie / kNumbersOfTask, (end + kNumbersOfTask - 1) / kNumbersOfTask, 1,
            [&](int64_t first, int64_t last) {
              int64_t from = std::max(first * kNumbersOfTask, first_tie),
                      to = std::min(last * kNumbersOfTask, end);
              for (int64_t bit = from; bit < to; ++bit) work(bit - first_tie, bit);
            });
}

}  // namespace

SplitMaster::SplitMaster(at::Tensor value) : value_(std::move(value)) {
  expect(value_.is_cpu() && value_.scalar_type() == at::kBFloat16 && value_.is_contiguous(),
         "a split master's value is bf16 on a CPU");
  int64_t elements = value_.numel(), groups = (elements + kTiesTogether - 1) / kTiesTogether;
  low_ = at::zeros({elements}, at::TensorOptions().dtype(at::kShort));
  ties_ = at::zeros({groups * kTiesTogether / 8}, at::TensorOptions().dtype(at::kByte));
}

at::Tensor SplitMaster::joined() const {
  at::Tensor master = at::empty({elements()}, at::TensorOptions().dtype(at::kFloat));
  auto* numbers = memory_of<float>(master);
  const auto* value = memory_of<Bf16>(value_);
  const auto* low = memory_of<int16_t>(low_);
  const auto* ties = memory_of<uint8_t>(ties_);
  each_number(elements(), first_tie_, [&](int64_t i, int64_t bit) {
    numbers[i] = join(value[i], low[i], ((ties[bit / 8] >> (bit % 8)) & 1) != 0);
  });
  return master;
}

void SplitMaster::put(const at::Tensor& master) const {
  expect(master.numel() == elements() && master.scalar_type() == at::kFloat && master.is_contiguous(),
         "masters to split are fp32");
  const auto* numbers = memory_of<float>(master);
  auto* value = memory_of<Bf16>(value_);
  auto* low = memory_of<int16_t>(low_);
  auto* ties = memory_of<uint8_t>(ties_);
  each_number(elements(), first_tie_, [&](int64_t i, int64_t bit) {
    Parts parts = split(numbers[i]);
    value[i] = parts.value;
    low[i] = parts.low;
    auto mask = static_cast<uint8_t>(1U << (bit % 8));
    uint8_t& byte = ties[bit / 8];
    byte = static_cast<uint8_t>(parts.tie ? byte | mask : byte & ~mask);
  });
}

SplitMaster SplitMaster::narrow(int64_t first, int64_t elements) const {
  SplitMaster range = *this;
  range.value_ = value_.narrow(0, first, elements);
  range.low_ = low_.narrow(0, first, elements);
  range.first_tie_ += first;
  return range;
}

SplitMemory SplitMaster::memory() const {
  expect(first_tie_ == 0, "a whole split master");
  return {memory_of<Bf16>(value_), memory_of<int16_t>(low_), memory_of<uint8_t>(ties_)};
}

}  // namespace sextant::trainer
