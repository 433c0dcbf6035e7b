// Linear layers on the tile unit against fp64, for all shapes of edges, and gradients that go to sinks.
#include "trainer/kernels/linear.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>

#include "trainer/kernels/embedding.h"
#include "trainer/kernels/fused_linear.h"
#include "trainer/kernels/linear_cross_entropy.h"
#include "trainer/kernels/tile_product.h"

namespace sextant::trainer::linear_test {
namespace {

using parallel::Onto;

struct Shape {
  int64_t rows, out, in;
};

// Whole blocks; edges on every side; several groups of columns; several stretches of depth.
const std::vector<Shape> kShapes{
    {64, 64, 64}, {33, 65, 31}, {100, 1000, 130}, {40, 70, 3000}, {2100, 40, 36}};

at::Tensor drawn(at::IntArrayRef shape, uint64_t seed) {
  auto generator = at::detail::createCPUGenerator(seed);
  return at::randn(shape, generator, at::TensorOptions().dtype(at::kFloat)).to(at::kBFloat16);
}

at::Tensor wide(const at::Tensor& x) {
  return x.to(at::kDouble);
}

// Relative distance over all numbers.
double distance(const at::Tensor& got, const at::Tensor& want) {
  return ((wide(got) - want).norm() / want.norm()).item<double>();
}

// bf16 results are rounded once: 2^-9 at most, half of that in the mean square.
constexpr double kBf16 = 2e-3;
// Sums stay in fp32 to their end: on the tile unit, and where products are widened.
bool keeps_sums() {
  return tile_unit() || product_type(at::kBFloat16, at::kCPU) == at::kFloat;
}

// Of a sum of two products. Elsewhere the second is added to the first one's bf16 result: two roundings,
// independent of each other.
double sum_in_bf16() {
  return keeps_sums() ? kBf16 : kBf16 * std::sqrt(2.0);
}

// fp32 sums of exact products: rounding of the sum alone.
constexpr double kFp32 = 2e-6;

TEST(Linear, ForwardInBf16) {
  for (auto [rows, out, in] : kShapes) {
    at::Tensor x = drawn({rows, in}, 1), weight = drawn({out, in}, 2), bias = drawn({out}, 3);
    at::Tensor want = at::matmul(wide(x), wide(weight).t());
    EXPECT_LT(distance(linear_forward(x, weight, {}), want), kBf16) << rows << ' ' << out << ' ' << in;
    EXPECT_LT(distance(linear_forward(x, weight, bias), want + wide(bias)), kBf16);
    at::Tensor memory = at::zeros({rows, out + 5}, x.options());
    linear_forward_into(memory.narrow(1, 0, out), x, weight);
    EXPECT_LT(distance(memory.narrow(1, 0, out), want), kBf16);
    EXPECT_EQ(memory.narrow(1, out, 5).abs().sum().item<float>(), 0) << "wrote beyond its columns";
  }
}

TEST(Linear, InputGradientInBf16) {
  for (auto [rows, out, in] : kShapes) {
    at::Tensor grad = drawn({rows, out}, 1), weight = drawn({out, in}, 2);
    at::Tensor other_grad = drawn({rows, 50}, 3), other_weight = drawn({50, in}, 4);
    at::Tensor want = at::matmul(wide(grad), wide(weight));
    EXPECT_LT(distance(linear_input_gradient({grad}, {weight}), want), kBf16) << rows << ' ' << out;
    want += at::matmul(wide(other_grad), wide(other_weight));
    EXPECT_LT(distance(linear_input_gradient({grad, other_grad}, {weight, other_weight}), want),
              sum_in_bf16());
  }
}

TEST(Linear, WeightGradientInFp32) {
  for (auto [rows, out, in] : kShapes) {
    at::Tensor grad = drawn({rows, out}, 1), x = drawn({rows, in}, 2);
    at::Tensor want = at::matmul(wide(grad).t(), wide(x));
    at::Tensor into = at::full({out, in}, 7.0, at::TensorOptions().dtype(at::kFloat));
    // Elsewhere the product is rounded to bf16 on its way.
    double bound = keeps_sums() ? kFp32 : kBf16;
    linear_weight_gradient(grad, x, into, Onto::kWrite);
    EXPECT_LT(distance(into, want), bound) << rows << ' ' << out << ' ' << in;
    linear_weight_gradient(grad, x, into, Onto::kAdd);
    EXPECT_LT(distance(into, 2 * want), bound);
  }
}

TEST(Linear, OnlyBf16WithoutInstructionsIsWidened) {
  EXPECT_EQ(product_type(at::kBFloat16, at::kCPU, InstructionSet::kPlain), at::kFloat);
  EXPECT_EQ(product_type(at::kBFloat16, at::kCPU, InstructionSet::kAvx2), at::kFloat);
  EXPECT_EQ(product_type(at::kBFloat16, at::kCPU, InstructionSet::kAvx512), at::kBFloat16);
  EXPECT_EQ(product_type(at::kBFloat16, at::kCUDA, InstructionSet::kAvx2), at::kBFloat16);
  EXPECT_EQ(product_type(at::kDouble, at::kCPU, InstructionSet::kAvx2), at::kDouble);
}

TEST(Linear, ThreadsDoNotChangeBits) {
  at::Tensor x = drawn({300, 700}, 1), weight = drawn({900, 700}, 2), into[2];
  at::Tensor forward[2];
  int before = at::get_num_threads();
  for (int threads : {1, 2}) {
    at::set_num_threads(threads);
    forward[threads - 1] = linear_forward(x, weight, {});
    into[threads - 1] = at::empty({900, 700}, at::TensorOptions().dtype(at::kFloat));
    linear_weight_gradient(forward[0], x, into[threads - 1], Onto::kWrite);
  }
  at::set_num_threads(before);
  EXPECT_TRUE(at::equal(forward[0], forward[1]));
  EXPECT_TRUE(at::equal(into[0], into[1]));
}

// Keeps what backward brings.
class KeepingSink : public parallel::GradientSink {
 public:
  explicit KeepingSink(const at::Tensor& weight) : gradient(at::full_like(weight.detach(), 9.0)) {}
  void take(const std::function<void(const at::Tensor&, Onto)>& write) override {
    write(gradient, arrivals++ == 0 ? Onto::kWrite : Onto::kAdd);
  }
  at::Tensor gradient;
  int arrivals = 0;
};

at::Tensor leaf(at::IntArrayRef shape, uint64_t seed) {
  return wide(drawn(shape, seed)).requires_grad_(true);
}

TEST(Sinks, GetWhatAutogradWouldHaveCarried) {
  at::Tensor x = leaf({6, 4}, 1), norm_weight = leaf({4}, 2), up = leaf({5, 4}, 3), up_bias = leaf({5}, 4);
  at::Tensor down = leaf({4, 5}, 5), down_bias = leaf({4}, 6), last = leaf({4, 4}, 7);
  KeepingSink up_sink(up), up_bias_sink(up_bias), down_sink(down), down_bias_sink(down_bias), last_sink(last);
  auto run = [&](bool sinks) {
    auto sink = [&](KeepingSink& each) { return sinks ? &each : nullptr; };
    at::Tensor hidden = norm_linear(x, norm_weight, {}, 1e-5,
                                    {{up, up_bias, sink(up_sink), sink(up_bias_sink)}}, Produced::kKeep)[0];
    at::Tensor y = activation_linear({}, hidden, {down, down_bias, sink(down_sink), sink(down_bias_sink)},
                                     Produced::kKeep);
    linear(y, {last, {}, sink(last_sink), nullptr}).square().sum().backward();
  };
  run(false);
  std::vector<at::Tensor> want{up.grad(), up_bias.grad(), down.grad(), down_bias.grad(), last.grad()};
  at::Tensor dx = x.grad();
  for (at::Tensor each : {x, norm_weight, up, up_bias, down, down_bias, last}) each.mutable_grad().reset();
  run(true);
  std::vector<KeepingSink*> got{&up_sink, &up_bias_sink, &down_sink, &down_bias_sink, &last_sink};
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i]->arrivals, 1);
    EXPECT_TRUE(at::allclose(got[i]->gradient, want[i], 1e-12, 1e-12)) << i;
  }
  EXPECT_FALSE(up.grad().defined());
  EXPECT_TRUE(at::allclose(x.grad(), dx, 1e-12, 1e-12));
}

TEST(Sinks, EmbeddingAddsRepeatedTokens) {
  at::Tensor weight = leaf({7, 3}, 1), tokens = at::tensor({2, 5, 2, 0}, at::kLong).view({2, 2});
  at::Tensor factors = wide(drawn({2, 2, 3}, 2));
  (embedding(weight, tokens, nullptr) * factors).sum().backward();
  KeepingSink sink(weight);
  at::Tensor want = weight.grad();
  (embedding(weight, tokens, &sink) * factors).sum().backward();
  EXPECT_TRUE(at::allclose(sink.gradient, want, 1e-12, 1e-12));
  at::Tensor fp32 = weight.detach().to(at::kFloat).requires_grad_(true);
  sink.gradient = at::full({7, 3}, 9.0, at::TensorOptions().dtype(at::kFloat));
  sink.arrivals = 0;
  (embedding(fp32, tokens, &sink) * factors.to(at::kFloat)).sum().backward();
  EXPECT_TRUE(at::allclose(wide(sink.gradient), want, 1e-6, 1e-6)) << "fp32 rows";
}

TEST(Sinks, CrossEntropyFillsItInForward) {
  at::Tensor hidden = leaf({5, 4}, 1), weight = leaf({9, 4}, 2),
             targets = at::tensor({3, 0, 8, 2, 2}, at::kLong);
  at::Tensor counts = at::tensor({1.0, 0.0, 1.0, 1.0, 1.0}, at::kDouble);
  linear_cross_entropy(hidden, weight, targets, counts, 2).backward();
  at::Tensor dhidden = hidden.grad(), want = weight.grad();
  hidden.mutable_grad().reset();
  KeepingSink sink(weight);
  at::Tensor sum = linear_cross_entropy(hidden, weight, targets, counts, 2, &sink);
  EXPECT_TRUE(at::allclose(sink.gradient, want, 1e-12, 1e-12));
  sum.backward();
  EXPECT_TRUE(at::allclose(hidden.grad(), dhidden, 1e-12, 1e-12));
  at::Tensor again = linear_cross_entropy(hidden, weight, targets, counts, 2, &sink);
  EXPECT_ANY_THROW((2 * again).backward()) << "a scaled loss would leave the sink's gradient unscaled";
}

// The fused loss in bf16, which rounds logits and their gradients, against fp64 of the same numbers.
TEST(LinearCrossEntropy, Bf16NearFp64) {
  at::Tensor hidden = drawn({70, 64}, 1).requires_grad_(true), weight = (drawn({65, 64}, 2) * 0.1).detach();
  weight.requires_grad_(true);
  at::Tensor targets = at::arange(70, at::kLong).remainder(65), ones = at::ones({70});
  at::Tensor sum = linear_cross_entropy(hidden, weight, targets, ones, 32);
  sum.backward();
  at::Tensor wide_hidden = wide(hidden.detach()).requires_grad_(true);
  at::Tensor wide_weight = wide(weight.detach()).requires_grad_(true);
  at::Tensor want = linear_cross_entropy(wide_hidden, wide_weight, targets, ones, 32);
  want.backward();
  EXPECT_NEAR(sum.item<double>() / want.item<double>(), 1, 2e-3);
  EXPECT_LT(distance(hidden.grad(), wide_hidden.grad()), 1e-2);
  EXPECT_LT(distance(weight.grad(), wide_weight.grad()), 1e-2);
}

}  // namespace
}  // namespace sextant::trainer::linear_test
