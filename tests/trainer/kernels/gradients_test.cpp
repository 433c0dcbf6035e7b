// Every kernel's backward against central differences in fp64.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/harness/finite_differences.h"
#include "trainer/kernels/attention.h"
#include "trainer/kernels/fused_linear.h"
#include "trainer/kernels/linear_cross_entropy.h"
#include "trainer/kernels/norm.h"
#include "trainer/kernels/recompute.h"
#include "trainer/kernels/rotary.h"

namespace sextant::trainer::gradients_test {
namespace {

using testing_harness::expect_gradients;
using testing_harness::wavy;
using Inputs = std::vector<at::Tensor>;

// A scalar in which every output element has its own weight.
at::Tensor weigh(const at::Tensor& x) {
  return (x * wavy(x.sizes(), 0.3)).sum();
}

TEST(Gradients, RmsNorm) {
  expect_gradients([](const Inputs& in) { return weigh(norm(in[0], in[1], at::Tensor(), 1e-5)); },
                   {wavy({2, 3, 5}, 0.1), wavy({5}, 0.9)});
}

TEST(Gradients, LayerNorm) {
  expect_gradients([](const Inputs& in) { return weigh(norm(in[0], in[1], in[2], 1e-5)); },
                   {wavy({2, 3, 5}, 0.1), wavy({5}, 0.9), wavy({5}, 2.0)});
}

TEST(Gradients, NormLinear) {
  for (Produced produced : {Produced::kKeep, Produced::kRecompute}) {
    expect_gradients(
        [produced](const Inputs& in) {
          auto out = norm_linear(in[0], in[1], at::Tensor(), 1e-5, {{in[2], {}}, {in[3], {}}}, produced);
          return weigh(out[0]) + 2 * weigh(out[1]);
        },
        {wavy({2, 3, 4}, 0.1), wavy({4}, 0.9), wavy({5, 4}, 2.0), wavy({3, 4}, 3.0)});
  }
}

TEST(Gradients, NormLinearWithBiases) {
  expect_gradients(
      [](const Inputs& in) {
        auto out = norm_linear(in[0], in[1], in[2], 1e-5, {{in[3], in[4]}}, Produced::kRecompute);
        return weigh(out[0]);
      },
      {wavy({2, 3, 4}, 0.1), wavy({4}, 0.9), wavy({4}, 1.1), wavy({5, 4}, 2.0), wavy({5}, 3.0)});
}

TEST(Gradients, ActivationLinear) {
  for (Produced produced : {Produced::kKeep, Produced::kRecompute}) {
    expect_gradients(
        [produced](const Inputs& in) {
          return weigh(activation_linear(in[0], in[1], {in[2], at::Tensor()}, produced));
        },
        {wavy({2, 2, 4}, 0.1), wavy({2, 2, 4}, 0.9), wavy({3, 4}, 2.0)});
    expect_gradients(
        [produced](const Inputs& in) {
          return weigh(activation_linear(at::Tensor(), in[0], {in[1], in[2]}, produced));
        },
        {wavy({2, 2, 4}, 0.1), wavy({3, 4}, 2.0), wavy({3}, 1.0)});
  }
}

TEST(Gradients, Rotary) {
  at::Tensor table =
      rotary_table(8, 4, 100.0, at::kDouble, at::kCPU).index_select(1, at::tensor({3, 0, 5, 7}, at::kLong));
  at::Tensor rows = table.view({2, 2, 2, 2});  // [2, B, T, D/2]
  expect_gradients([rows](const Inputs& in) { return weigh(rotary(in[0], rows)); },
                   {wavy({2, 2, 3, 4}, 0.2)});
}

TEST(Gradients, RotaryKeepsLengthsAndRelativeAngles) {
  at::Tensor table = rotary_table(16, 6, 10000.0, at::kDouble, at::kCPU);  // [2, 16, 3]
  at::Tensor q = wavy({1, 1, 1, 6}, 0.4), k = wavy({1, 1, 1, 6}, 1.4);
  auto at_position = [&](const at::Tensor& x, int64_t p) {
    return rotary(x, table.narrow(1, p, 1).unsqueeze(1));
  };
  EXPECT_NEAR(at_position(q, 9).norm().item<double>(), q.norm().item<double>(), 1e-12);
  double near = (at_position(q, 5) * at_position(k, 3)).sum().item<double>();
  double far = (at_position(q, 14) * at_position(k, 12)).sum().item<double>();
  EXPECT_NEAR(near, far, 1e-12) << "scores depend on the difference of positions alone";
}

TEST(Gradients, AttentionWithGroupedHeads) {
  for (bool masked : {false, true}) {
    at::Tensor firsts = masked ? first_keys(at::tensor({0, 0, 1, 1}, at::kInt).view({1, 4})) : at::Tensor();
    expect_gradients(
        [firsts](const Inputs& in) { return weigh(causal_attention(in[0], in[1], in[2], firsts)); },
        {wavy({1, 4, 4, 2}, 0.1), wavy({1, 2, 4, 2}, 0.9), wavy({1, 2, 4, 2}, 2.0)});
  }
}

TEST(Gradients, LinearCrossEntropy) {
  at::Tensor targets = at::tensor({2, 0, 5, 1, 5}, at::kLong);
  at::Tensor weights = at::tensor({1.0, 0.5, 0.0, 1.0, 2.0}, at::kDouble);
  for (int64_t chunk : {1, 2, 5, 100}) {
    expect_gradients(
        [&](const Inputs& in) { return 3 * linear_cross_entropy(in[0], in[1], targets, weights, chunk); },
        {wavy({5, 3}, 0.1), wavy({6, 3}, 0.9)});
  }
}

TEST(Gradients, LinearCrossEntropyEqualsTheWholeLogits) {
  at::Tensor hidden = wavy({5, 3}, 0.1), weight = wavy({6, 3}, 0.9),
             targets = at::tensor({2, 0, 5, 1, 5}, at::kLong);
  at::Tensor whole =
      at::log_softmax(at::matmul(hidden, weight.t()), -1).gather(1, targets.unsqueeze(1)).squeeze(1);
  at::Tensor chunked = linear_cross_entropy(hidden, weight, targets, at::ones({5}, at::kDouble), 2);
  EXPECT_NEAR(chunked.item<double>(), -whole.sum().item<double>(), 1e-13);
  at::Tensor each = target_log_probabilities(hidden, weight, targets, 2);
  EXPECT_LT((each - whole).abs().max().item<double>(), 1e-13);
}

TEST(Gradients, RecomputedSegment) {
  at::Tensor weight = wavy({3, 3}, 0.9).requires_grad_(true);
  auto segment = [weight](const at::Tensor& x) { return at::tanh(at::matmul(x, weight)); };
  expect_gradients([&](const Inputs& in) { return weigh(recompute(segment, in[0])); }, {wavy({2, 3}, 0.1)});
  // The weight inside the segment gets the gradient that it would get without recomputation.
  weight.mutable_grad().reset();
  at::Tensor x = wavy({2, 3}, 0.1).requires_grad_(true);
  weigh(recompute(segment, x)).backward();
  at::Tensor recomputed = weight.grad().clone();
  weight.mutable_grad().reset();
  weigh(segment(x)).backward();
  EXPECT_TRUE(at::equal(recomputed, weight.grad()));
}

}  // namespace
}  // namespace sextant::trainer::gradients_test
