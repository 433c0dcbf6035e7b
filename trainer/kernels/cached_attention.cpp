#include "trainer/kernels/cached_attention.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "parallel/base/error.h"
#include "trainer/kernels/share_out.h"
#include "trainer/kernels/simd/cached_attention.h"
#include "trainer/kernels/simd_memory.h"

namespace sextant::trainer {
namespace {

constexpr int64_t kCachedGrain = 1 << 17;  // products that are worth a thread

auto kernel_of(InstructionSet set, float) {
  return pick(set, plain::kCachedAttentionKernels, avx2::kCachedAttentionKernels,
              avx512::kCachedAttentionKernels)
      .fp32;
}

auto kernel_of(InstructionSet set, Bf16) {
  return pick(set, plain::kCachedAttentionKernels, avx2::kCachedAttentionKernels,
              avx512::kCachedAttentionKernels)
      .bf16;
}

// The highest position; all are checked, since kernels trust them with memory.
int64_t highest(const at::Tensor& positions, int64_t slots) {
  auto* begin = memory_of<int64_t>(positions);
  auto [low, high] = std::minmax_element(begin, begin + positions.numel());
  expect(*low >= 0 && *high < slots, "positions are slots of the cache");
  return *high;
}

}  // namespace

bool fits_cached_attention(const at::Tensor& query) {
  return c10::InferenceMode::is_enabled() && fits_simd(query) && query.numel() > 0;
}

at::Tensor cached_attention(const at::Tensor& query, const at::Tensor& keys, const at::Tensor& values,
                            const at::Tensor& positions, int64_t window, InstructionSet set) {
  expect(keys.is_contiguous() && values.is_contiguous(), "a cache is contiguous");
  expect(positions.scalar_type() == at::kLong, "positions are int64");
  at::Tensor queries = query.contiguous(), places = positions.contiguous();
  at::Tensor output = at::empty_like(queries);  // [B, T, H, D]
  int64_t heads = query.size(2), width = query.size(3), slots = keys.size(2);
  int64_t longest = highest(places, slots) + 1;
  int64_t grain = std::max<int64_t>(1, kCachedGrain / (longest * width));
  with_number(query, [&](auto number) {
    using Number = decltype(number);
    CachedAttention<Number> work{memory_of<Number>(queries),
                                 memory_of<Number>(keys),
                                 memory_of<Number>(values),
                                 memory_of<int64_t>(places),
                                 memory_of<Number>(output),
                                 query.size(1),
                                 heads,
                                 keys.size(1),
                                 slots,
                                 width,
                                 window,
                                 1.0F / std::sqrt(static_cast<float>(width))};
    auto attend = kernel_of(set, number);
    share_out(0, queries.numel() / width, grain, [&](int64_t first, int64_t last) {
      std::vector<float> scores(static_cast<size_t>((longest + 15) / 16 * 16));
      attend(work, scores.data(), first, last);
    });
  });
  return output;
}

void store_in_slots(const at::Tensor& slots, const at::Tensor& fresh, const at::Tensor& positions) {
  expect(slots.is_contiguous() && slots.is_cpu(), "a cache is contiguous");
  at::Tensor source = fresh.contiguous(), places = positions.contiguous();
  highest(places, slots.size(2));
  auto* to = static_cast<char*>(slots.data_ptr());
  auto* from = static_cast<const char*>(source.data_ptr());
  auto* position = memory_of<int64_t>(places);
  int64_t time = fresh.size(1), heads = fresh.size(2);
  auto bytes = static_cast<size_t>(fresh.size(3) * fresh.element_size());
  for (int64_t token = 0; token < positions.numel(); ++token) {
    for (int64_t head = 0; head < heads; ++head) {
      int64_t slot = (token / time * heads + head) * slots.size(2) + position[token];
      std::memcpy(to + static_cast<size_t>(slot) * bytes,
                  from + static_cast<size_t>(token * heads + head) * bytes, bytes);
    }
  }
}

}  // namespace sextant::trainer
