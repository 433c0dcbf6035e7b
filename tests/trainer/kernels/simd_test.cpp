// The kernels under trainer/kernels/simd, each compiled for every instruction set that this processor has,
// against the same formula in fp64.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/harness/finite_differences.h"
#include "trainer/kernels/activation.h"
#include "trainer/kernels/adamw.h"
#include "trainer/kernels/linear.h"
#include "trainer/kernels/norm.h"
#include "trainer/kernels/rotary.h"
#include "trainer/kernels/softmax.h"

namespace sextant::trainer::simd_test {
namespace {

using testing_harness::wavy;

// bf16 has 8 bits: a result is off by 2^-9 of itself, and gradients of sums by a few of those. fp32: a row's
// sums have some thousand terms of 6e-8 each.
double tolerance(at::ScalarType type) {
  return type == at::kBFloat16 ? 2e-2 : 1e-5;
}

// Largest difference, in units of the largest expected number.
double difference(const at::Tensor& ours, const at::Tensor& expected) {
  at::Tensor exact = expected.to(at::kDouble);
  return ((ours.to(at::kDouble) - exact).abs().max() / exact.abs().max()).item<double>();
}

struct Case {
  InstructionSet set;
  at::ScalarType type;
  int64_t width;
};

class Simd : public testing::TestWithParam<Case> {
 protected:
  // Numbers as the type holds them, and the same in fp64.
  at::Tensor make(at::IntArrayRef shape, double phase) const {
    return wavy(shape, phase).to(GetParam().type);
  }
};

std::vector<Case> cases() {
  std::vector<Case> result;
  for (InstructionSet set : supported_instruction_sets()) {
    for (at::ScalarType type : {at::kFloat, at::kBFloat16}) {
      for (int64_t width : {1, 3, 16, 64, 203, 768}) result.push_back({set, type, width});
    }
  }
  return result;
}

std::string name_of_case(const testing::TestParamInfo<Case>& info) {
  return fmt::format("{}_{}_{}", name_of(info.param.set), at::toString(info.param.type), info.param.width);
}

INSTANTIATE_TEST_SUITE_P(Widths, Simd, testing::ValuesIn(cases()), name_of_case);

TEST_P(Simd, NormWithAddend) {
  auto [set, type, width] = GetParam();
  at::Tensor x = make({5, 7, width}, 0.1), addend = make({5, 7, width}, 1.1), grad = make({5, 7, width}, 2.1);
  at::Tensor skip = make({5, 7, width}, 3.1), weight = make({width}, 0.9);
  for (const at::Tensor& bias : {at::Tensor(), make({width}, 0.4)}) {
    // LayerNorm of one number a row has no spread: nothing to compare but rounding.
    if (bias.defined() && width == 1) continue;
    AddedNorm ours = add_norm_forward(x, addend, weight, bias, 1e-5, set);
    at::Tensor total = (x + addend).to(at::kDouble), wide_weight = weight.to(at::kDouble);
    at::Tensor wide_bias = bias.defined() ? bias.to(at::kDouble) : bias;
    auto [normed, statistics] = norm_forward(total, wide_weight, wide_bias, 1e-5);
    EXPECT_TRUE(at::equal(ours.total, x + addend));
    EXPECT_LT(difference(ours.normed, normed), tolerance(type));
    auto [alone, its_statistics] = norm_forward(ours.total, weight, bias, 1e-5, set);
    EXPECT_TRUE(at::equal(ours.normed, alone)) << "with an addend or of the sum: the same numbers";

    NormGradients gradients = norm_backward(grad, ours.total, weight, bias, ours.statistics, skip, set);
    NormGradients expected =
        norm_backward(grad.to(at::kDouble), total, wide_weight, wide_bias, statistics, skip.to(at::kDouble));
    EXPECT_LT(difference(gradients.x, expected.x), tolerance(type));
    EXPECT_LT(difference(gradients.weight, expected.weight), tolerance(type));
    if (bias.defined()) {
      EXPECT_LT(difference(gradients.bias, expected.bias), tolerance(type));
    }
  }
}

TEST_P(Simd, Activations) {
  auto [set, type, width] = GetParam();
  at::Tensor up = make({3, width}, 0.3) * 6, grad = make({3, width}, 1.3);
  for (const at::Tensor& gate : {at::Tensor(), make({3, width}, 2.3) * 6}) {
    at::Tensor wide_gate = gate.defined() ? gate.to(at::kDouble) : gate, wide_up = up.to(at::kDouble);
    EXPECT_LT(difference(activation_forward(gate, up, set), activation_forward(wide_gate, wide_up)),
              tolerance(type));
    auto ours = activation_backward(grad, gate, up, set);
    auto expected = activation_backward(grad.to(at::kDouble), wide_gate, wide_up);
    EXPECT_LT(difference(ours.up, expected.up), tolerance(type));
    ASSERT_EQ(ours.gate.defined(), gate.defined());
    if (gate.defined()) {
      EXPECT_LT(difference(ours.gate, expected.gate), tolerance(type));
    }
  }
  EXPECT_FALSE(at::isnan(activation_forward({}, up * 1e30, set)).any().item<bool>()) << "far out";
}

TEST_P(Simd, RotaryBothWays) {
  auto [set, type, width] = GetParam();
  // Every second head of a wider row, as a projection of queries and keys together would be read.
  at::Tensor x = make({2, 3, 4, 2 * width}, 0.7).slice(2, 0, 4, 2).detach().requires_grad_(true);
  at::Tensor table = rotary_table(6, 2 * width, 100.0, at::kDouble, at::kCPU).view({2, 2, 3, width});
  at::Tensor ours = rotary(x, table.to(at::kFloat), set);
  EXPECT_LT(difference(ours.detach(), rotary(x.detach().to(at::kDouble), table)), tolerance(type));
  at::Tensor back = make({2, 3, 2, 2 * width}, 1.7);
  ours.backward(back);
  at::Tensor wide = x.detach().to(at::kDouble).requires_grad_(true);
  rotary(wide, table).backward(back.to(at::kDouble));
  EXPECT_LT(difference(x.grad(), wide.grad()), tolerance(type));
}

TEST_P(Simd, SoftmaxRows) {
  auto [set, type, width] = GetParam();
  at::Tensor logits = (make({6, width}, 0.3) * 20);
  logits[1].fill_(-300);  // equal numbers far below zero
  if (width > 1) logits[2][0] = 300;
  at::Tensor exact = logits.to(at::kDouble);
  at::Tensor sums = log_sum_exp(logits, set), expected = at::logsumexp(exact, -1);
  EXPECT_LT((sums - expected).abs().max().item<double>(), 3e-5) << "300 has a last place of 3e-5";

  at::Tensor targets = at::arange(6, at::kLong).remainder_(width);
  at::Tensor scale = at::tensor({1.0F, 0.5F, 2.0F, 0.0F, 1.0F, -1.0F});
  at::Tensor gradient = at::softmax(exact, -1);
  gradient.scatter_add_(1, targets.unsqueeze(1), at::full({6, 1}, -1.0, at::kDouble));
  gradient.mul_(scale.unsqueeze(1));
  softmax_gradient_(logits, sums, targets, scale, set);
  // Of numbers up to 2: log_sum_exp's own rounding of 3e-5 is in the exponent.
  EXPECT_LT((logits - gradient).abs().max().item<double>(), type == at::kFloat ? 1e-4 : 1e-2);
}

TEST_P(Simd, ColumnSums) {
  auto [set, type, width] = GetParam();
  // Columns of a wider matrix; what stands before and behind them is not touched.
  at::Tensor grad = make({37, width + 5}, 0.6).narrow(1, 2, width), memory = at::full({width + 2}, 3.0F);
  at::Tensor into = memory.narrow(0, 1, width), expected = grad.to(at::kDouble).sum(0);
  linear_bias_gradient(grad, into, parallel::Onto::kWrite, set);
  // 37 numbers near 1, exact in either type, of which most cancel: 6e-8 each, in units of what is left.
  EXPECT_LT(difference(into, expected), tolerance(at::kFloat));
  linear_bias_gradient(grad, into, parallel::Onto::kAdd, set);
  EXPECT_LT(difference(into, 2 * expected), tolerance(at::kFloat));
  EXPECT_EQ(memory[0].item<float>(), 3);
  EXPECT_EQ(memory[width + 1].item<float>(), 3);
}

class SimdSets : public testing::TestWithParam<InstructionSet> {};

std::string name_of_set(const testing::TestParamInfo<InstructionSet>& info) {
  return name_of(info.param);
}

INSTANTIATE_TEST_SUITE_P(Sets, SimdSets, testing::ValuesIn(supported_instruction_sets()), name_of_set);

TEST_P(SimdSets, AdamWWithScaleAndCopy) {
  AdamWConstants constants{1e-2, 0.9, 0.95, 0.1, 1e-8};
  std::vector<AdamWTensors> ours;
  std::vector<at::Tensor> masters, firsts, seconds;
  for (int64_t size : {1, 37, 70001}) {
    at::Tensor start = wavy({size}, 0.2);
    ours.push_back(
        {start.to(at::kFloat), {}, at::zeros({size}), at::zeros({size}), at::empty({size}, at::kBFloat16)});
    masters.push_back(ours.back().master.to(at::kDouble));
    firsts.push_back(at::zeros({size}, at::kDouble));
    seconds.push_back(at::zeros({size}, at::kDouble));
  }
  for (int64_t step = 1; step <= 3; ++step) {
    std::vector<at::Tensor> grads;
    for (AdamWTensors& each : ours) {
      each.grad = wavy({each.master.numel()}, 0.5 * static_cast<double>(step)).to(at::kFloat);
      grads.push_back(each.grad.to(at::kDouble) * 0.25);
    }
    std::vector<at::Tensor> counts(ours.size(), at::full({}, static_cast<double>(step)));
    at::_fused_adamw_(masters, grads, firsts, seconds, {}, counts, 1e-2, 0.9, 0.95, 0.1, 1e-8, false, false);
    ASSERT_TRUE(fits_adamw(ours));
    adamw(ours, constants, step, 0.25, GetParam());
  }
  for (size_t i = 0; i < ours.size(); ++i) {
    // A gradient near zero makes the update's sign sensitive: fp32's 1e-7 of a step of 1e-2 has room in 1e-6.
    EXPECT_LT((ours[i].master - masters[i]).abs().max().item<double>(), 1e-6);
    EXPECT_LT(difference(ours[i].first_moment, firsts[i]), 1e-6);
    EXPECT_LT(difference(ours[i].second_moment, seconds[i]), 1e-6);
    EXPECT_TRUE(at::equal(ours[i].copy, ours[i].master.to(at::kBFloat16))) << "rounded as ATen rounds";
  }
}

TEST_P(SimdSets, Bf16IsRoundedAsAtenDoes) {
  // Every upper half with lower halves around the tie; infinities, denormals and NaNs among them.
  at::Tensor upper = at::arange(65536, at::kLong).mul_(65536);
  for (int64_t lower : {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff}) {
    at::Tensor x = (upper + lower).to(at::kInt).view(at::kFloat);
    AdamWTensors each{x.clone(), at::zeros_like(x), at::zeros_like(x), at::zeros_like(x),
                      at::empty({65536}, at::kBFloat16)};
    adamw({each}, {0.0, 0.9, 0.95, 0.0, 1.0}, 1, 1.0, GetParam());  // learning rate 0: only the copy is made
    at::Tensor finite = at::isnan(x).logical_not_();
    at::Tensor bits = each.copy.view(at::kShort), expected = x.to(at::kBFloat16).view(at::kShort);
    EXPECT_TRUE(at::equal(bits.masked_select(finite), expected.masked_select(finite))) << lower;
    EXPECT_TRUE(at::equal(at::isnan(each.copy), at::isnan(x))) << lower;
  }
}

// Bits of a and b, all NaNs alike.
bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  at::Tensor number = at::isnan(a).logical_not_();
  return at::equal(at::isnan(a), at::isnan(b)) &&
         at::equal(a.view(at::kInt).masked_select(number), b.view(at::kInt).masked_select(number));
}

TEST_P(SimdSets, SplitMastersAreUpdatedToTheSameBits) {
  // Every upper half with lower halves around the tie: denormals, infinities and NaNs among them, and more
  // numbers than one thread takes; then rows' ends.
  std::vector<at::Tensor> starts;
  at::Tensor upper = at::arange(65536, at::kLong).mul_(65536);
  for (int64_t lower : {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff})
    starts.push_back((upper + lower).to(at::kInt).view(at::kFloat));
  for (int64_t size : {1, 3, 16, 37, 70001}) starts.push_back(wavy({size}, 0.2).to(at::kFloat));
  std::vector<AdamWTensors> whole, split;
  for (const at::Tensor& start : starts) {
    int64_t size = start.numel();
    whole.push_back(
        {start.clone(), {}, at::zeros({size}), at::zeros({size}), at::empty({size}, at::kBFloat16)});
    split.push_back({{}, {}, at::zeros({size}), at::zeros({size}), {}});
    split.back().split = SplitMaster(at::empty({size}, at::kBFloat16));
    split.back().split.put(start);
  }
  for (int64_t step = 1; step <= 30; ++step) {
    // First nothing moves, so that ties stay; then small steps, which round up and down and carry.
    double rate = step <= 2 ? 0 : step <= 20 ? 1e-5 : 1e-2;
    for (size_t i = 0; i < whole.size(); ++i) {
      whole[i].grad = wavy({starts[i].numel()}, 0.5 * static_cast<double>(step)).to(at::kFloat);
      split[i].grad = whole[i].grad;
    }
    ASSERT_TRUE(fits_adamw(split));
    for (auto* tensors : {&whole, &split})
      adamw(*tensors, {rate, 0.9, 0.95, 0.1, 1e-8}, step, 0.25, GetParam());
    for (size_t i = 0; i < whole.size(); ++i) {
      at::Tensor value = split[i].split.tensors()[0];
      ASSERT_TRUE(same_bits(split[i].split.joined(), whole[i].master)) << "step " << step << " tensor " << i;
      ASSERT_TRUE(same_bits(value.to(at::kFloat), whole[i].copy.to(at::kFloat)))
          << "step " << step << " " << i;
      ASSERT_TRUE(same_bits(split[i].first_moment, whole[i].first_moment)) << "step " << step << " " << i;
      ASSERT_TRUE(same_bits(split[i].second_moment, whole[i].second_moment)) << "step " << step << " " << i;
    }
  }
}

TEST(SimdThreads, NormGradientsAreTheSameBits) {
  at::Tensor x = wavy({300, 96}, 0.1).to(at::kFloat), grad = wavy({300, 96}, 1.1).to(at::kFloat);
  at::Tensor weight = wavy({96}, 0.9).to(at::kFloat);
  auto [y, statistics] = norm_forward(x, weight, at::Tensor(), 1e-5);
  std::vector<NormGradients> results;
  int before = at::get_num_threads();
  for (int threads : {1, 2}) {
    at::set_num_threads(threads);
    results.push_back(norm_backward(grad, x, weight, at::Tensor(), statistics));
  }
  at::set_num_threads(before);
  EXPECT_TRUE(at::equal(results[0].weight, results[1].weight));
  EXPECT_TRUE(at::equal(results[0].x, results[1].x));
}

}  // namespace
}  // namespace sextant::trainer::simd_test
