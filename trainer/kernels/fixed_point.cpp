#include "trainer/kernels/fixed_point.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <mutex>

#include "trainer/kernels/share_out.h"
#include "trainer/kernels/simd/fixed_point.h"

namespace sextant::trainer {
namespace {

using parallel::FixedPoint;
using parallel::FixedSum;
using parallel::Onto;

constexpr int64_t kFixedPointGrain = 65536;  // numbers worth another thread
constexpr int64_t kSquaresAtOnce = 4096;     // 2^12 squares of 2^50 add up within 63 bits

FixedPointKernels kernels_of(InstructionSet set) {
  return pick(set, plain::kFixedPointKernels, avx2::kFixedPointKernels, avx512::kFixedPointKernels);
}

bool fits(const at::Tensor& numbers) {
  return numbers.is_cpu() && numbers.is_contiguous() &&
         (numbers.scalar_type() == at::kFloat || numbers.scalar_type() == at::kDouble);
}

bool fits(const at::Tensor& integers, const at::Tensor& numbers) {
  return fits(numbers) && integers.is_contiguous() && integers.scalar_type() == at::kLong &&
         integers.numel() == numbers.numel();
}

// The magnitude that the largest bits stand for.
double magnitude(uint32_t bits) {
  auto value = std::bit_cast<float>(bits);
  return std::isfinite(value) ? value : std::numeric_limits<double>::infinity();
}
double magnitude(uint64_t bits) {
  auto value = std::bit_cast<double>(bits);
  return std::isfinite(value) ? value : std::numeric_limits<double>::infinity();
}

// The largest of what loop(first, count) returns over stretches of `count` numbers.
template <class Loop>
double largest_of(int64_t count, const Loop& loop) {
  std::mutex mutex;
  decltype(loop(0, 0)) most = 0;
  share_out(0, count, kFixedPointGrain, [&](int64_t first, int64_t last) {
    auto bits = loop(first, last - first);
    std::lock_guard lock(mutex);
    most = std::max(most, bits);
  });
  return magnitude(most);
}

}  // namespace

double add_fixed(const at::Tensor& into, const at::Tensor& from, FixedPoint point, Onto onto,
                 InstructionSet set) {
  if (!fits(into, from)) return parallel::add_fixed(into, from, point, onto);
  FixedPointKernels kernels = kernels_of(set);
  auto* to = into.data_ptr<int64_t>();
  double scale = 1 / point.quantum();
  if (from.scalar_type() == at::kFloat) {
    const auto* numbers = from.data_ptr<float>();
    auto loop = onto == Onto::kAdd ? kernels.add_fp32 : kernels.write_fp32;
    return largest_of(from.numel(), [&](int64_t first, int64_t count) {
      return loop(to + first, numbers + first, count, scale);
    });
  }
  const auto* numbers = from.data_ptr<double>();
  auto loop = onto == Onto::kAdd ? kernels.add_fp64 : kernels.write_fp64;
  return largest_of(from.numel(), [&](int64_t first, int64_t count) {
    return loop(to + first, numbers + first, count, scale);
  });
}

double from_fixed(const at::Tensor& into, const at::Tensor& from, FixedPoint point, InstructionSet set) {
  if (!fits(from, into)) return parallel::from_fixed(into, from, point);
  FixedPointKernels kernels = kernels_of(set);
  const auto* integers = from.data_ptr<int64_t>();
  double quantum = point.quantum();
  if (into.scalar_type() == at::kFloat) {
    auto* to = into.data_ptr<float>();
    return largest_of(into.numel(), [&](int64_t first, int64_t count) {
      return kernels.convert_fp32(to + first, integers + first, count, quantum);
    });
  }
  auto* to = into.data_ptr<double>();
  return largest_of(into.numel(), [&](int64_t first, int64_t count) {
    return kernels.convert_fp64(to + first, integers + first, count, quantum);
  });
}

FixedSum sum_of_squares(const at::Tensor& numbers, int exponent, InstructionSet set) {
  if (!fits(numbers)) return parallel::sum_of_squares(numbers, exponent);
  FixedPointKernels kernels = kernels_of(set);
  double scale = std::ldexp(1.0, -exponent);
  bool wide = numbers.scalar_type() == at::kDouble;
  std::mutex mutex;
  FixedSum total;
  share_out(0, numbers.numel(), kFixedPointGrain, [&](int64_t first, int64_t last) {
    FixedSum sum;
    for (int64_t i = first; i < last; i += kSquaresAtOnce) {
      int64_t count = std::min(kSquaresAtOnce, last - i);
      int64_t part = wide ? kernels.squares_fp64(numbers.data_ptr<double>() + i, count, scale)
                          : kernels.squares_fp32(numbers.data_ptr<float>() + i, count, scale);
      // 2^16 high units in a whole one, so 2^34 of the part's 2^50 in a high one, and 2^6 low ones in each.
      sum += {part >> 34, (part & ((int64_t{1} << 34) - 1)) << 6};
    }
    std::lock_guard lock(mutex);
    total += sum;
  });
  return total;
}

parallel::FixedPointLoops fixed_point_loops() {
  return {[](const at::Tensor& into, const at::Tensor& from, FixedPoint point, Onto onto) {
            return add_fixed(into, from, point, onto, instruction_set());
          },
          [](const at::Tensor& into, const at::Tensor& from, FixedPoint point) {
            return from_fixed(into, from, point, instruction_set());
          }};
}

}  // namespace sextant::trainer
