#include <ATen/ATen.h>

#include <fmt/format.h>

#include "tests/bench/kernels/measure.h"
#include "trainer/kernels/attention_tasks.h"

namespace sextant::bench {
namespace {

struct Shape {
  int64_t batch, heads, kv_heads, time, width;
};

// ATen's flash attention wants as many key heads as heads.
at::Tensor repeated(const at::Tensor& x, int64_t heads) {
  return x.size(1) == heads ? x : x.repeat_interleave(heads / x.size(1), 1);
}

void add(const Shape& s, at::ScalarType type, const char* name, std::vector<Contest>& contests) {
  auto rows = [&](int64_t heads) {
    return at::randn({s.batch, s.time, heads, s.width}).to(type).transpose(1, 2);
  };
  at::Tensor q = rows(s.heads), k = rows(s.kv_heads), v = rows(s.kv_heads), grad = rows(s.heads);
  at::Tensor wide_k = repeated(k, s.heads), wide_v = repeated(v, s.heads);
  auto set = trainer::instruction_set();
  auto [output, sums] = trainer::attention_tasks_forward(q, k, v, {}, set);
  auto [aten_output, aten_sums] =
      at::_scaled_dot_product_flash_attention_for_cpu(q, wide_k, wide_v, 0.0, true);
  // Half of the square is looked at; two products of it forward, five backward.
  auto product = static_cast<double>(s.batch * s.heads * s.time * (s.time + 1) * s.width);
  std::string shape = fmt::format("B{} H{}/{} T{} D{}", s.batch, s.heads, s.kv_heads, s.time, s.width);
  contests.push_back(
      {fmt::format("attention forward {}", shape), name, Bound::kArithmetic, 2 * product,
       [=] { trainer::attention_tasks_forward(q, k, v, {}, set); },
       [=] { at::_scaled_dot_product_flash_attention_for_cpu(q, wide_k, wide_v, 0.0, true); }});
  contests.push_back(
      {fmt::format("attention backward {}", shape), name, Bound::kArithmetic, 5 * product,
       [=, out = output, lse = sums] { trainer::attention_tasks_backward(grad, q, k, v, {}, out, lse, set); },
       [=, out = aten_output, lse = aten_sums] {
         at::_scaled_dot_product_flash_attention_for_cpu_backward(grad, q, wide_k, wide_v, out, lse, 0.0,
                                                                  true);
       }});
}

}  // namespace

std::vector<Contest> attention_contests() {
  std::vector<Contest> contests;
  for (const Shape& shape : {Shape{16, 6, 6, 256, 64}, Shape{4, 12, 12, 256, 64}, Shape{1, 9, 3, 2048, 64}}) {
    add(shape, at::kBFloat16, "bf16", contests);
    add(shape, at::kFloat, "fp32", contests);
  }
  return contests;
}

}  // namespace sextant::bench
