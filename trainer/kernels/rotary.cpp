#include "trainer/kernels/rotary.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "trainer/kernels/share_out.h"
#include "trainer/kernels/simd/rotary.h"
#include "trainer/kernels/simd_memory.h"

namespace sextant::trainer {
namespace {

constexpr int64_t kRotaryGrain = 16384;  // numbers that are worth a thread

void turn(InstructionSet set, const RotaryToken<float>& token) {
  pick(set, plain::kRotaryKernels, avx2::kRotaryKernels, avx512::kRotaryKernels).fp32(token);
}

void turn(InstructionSet set, const RotaryToken<Bf16>& token) {
  pick(set, plain::kRotaryKernels, avx2::kRotaryKernels, avx512::kRotaryKernels).bf16(token);
}

// rotate() for fp32 and bf16 on a CPU.
at::Tensor rotate_tokens(const at::Tensor& x, const at::Tensor& table_rows, double direction,
                         InstructionSet set) {
  at::Tensor whole = x.stride(3) == 1 ? x : x.contiguous(), table = table_rows.contiguous();
  at::Tensor turned = at::empty(x.sizes(), x.options());  // [B, T, H, D]
  int64_t batch = x.size(0), time = x.size(1), heads = x.size(2), half = x.size(3) / 2;
  const auto* cosines = memory_of<float>(table);
  with_number(x, [&](auto number) {
    using Number = decltype(number);
    auto *from = memory_of<Number>(whole), *to = memory_of<Number>(turned);
    int64_t grain = std::max<int64_t>(1, kRotaryGrain / std::max<int64_t>(1, 2 * heads * half));
    share_out(0, batch * time, grain, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        turn(set, RotaryToken<Number>{from + i / time * whole.stride(0) + i % time * whole.stride(1),
                                      whole.stride(2), to + i * heads * 2 * half, cosines + i * half,
                                      cosines + (batch * time + i) * half, static_cast<float>(direction),
                                      heads, half});
      }
    });
  });
  return turned;
}

// Rotation by +angle or, for backward, by -angle (a rotation's transpose).
at::Tensor rotate(const at::Tensor& x, const at::Tensor& table_rows, double direction, InstructionSet set) {
  if (fits_simd(x) && table_rows.scalar_type() == at::kFloat) {
    return rotate_tokens(x, table_rows, direction, set);
  }
  int64_t half = x.size(-1) / 2;
  at::Tensor cosine = table_rows[0].unsqueeze(2);  // [B, T, 1, D/2]
  at::Tensor sine = table_rows[1].unsqueeze(2);    // [B, T, 1, D/2]
  at::Tensor first = x.narrow(-1, 0, half), second = x.narrow(-1, half, half);
  at::Tensor turned = at::empty_like(x, x.options(), at::MemoryFormat::Contiguous);
  turned.narrow(-1, 0, half).copy_((first * cosine).sub_(second * sine, direction));
  turned.narrow(-1, half, half).copy_((second * cosine).add_(first * sine, direction));
  return turned;
}

class Rotary : public torch::autograd::Function<Rotary> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& table_rows, int64_t set) {
    context->save_for_backward({table_rows});
    context->saved_data["set"] = set;
    return rotate(x, table_rows, 1.0, static_cast<InstructionSet>(set));
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& grads) {
    auto set = static_cast<InstructionSet>(context->saved_data["set"].toInt());
    return {rotate(grads[0], context->get_saved_variables()[0], -1.0, set), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor rotary_table(int64_t context, int64_t head_width, double base, at::ScalarType type,
                        at::Device device) {
  auto wide = at::TensorOptions().dtype(at::kDouble);
  at::Tensor exponent = at::arange(0, head_width, 2, wide).div_(static_cast<double>(head_width));  // [D/2]
  return rotary_table(context, at::pow(at::Scalar(base), exponent).reciprocal_(), type, device);
}

at::Tensor rotary_table(int64_t context, const at::Tensor& frequencies, at::ScalarType type,
                        at::Device device) {
  at::Tensor positions = at::arange(context, frequencies.options());
  at::Tensor angle = at::outer(positions, frequencies);  // [context, D/2]
  return at::stack({angle.cos(), angle.sin()}).to(at::TensorOptions().dtype(type).device(device));
}

at::Tensor rotary(const at::Tensor& x, const at::Tensor& table_rows, InstructionSet set) {
  if (!at::GradMode::is_enabled()) return rotate(x, table_rows, 1.0, set);
  return Rotary::apply(x, table_rows, static_cast<int64_t>(set));
}

}  // namespace sextant::trainer
