// Causal attention of every instruction set against the formula in fp64.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/harness/finite_differences.h"
#include "trainer/kernels/attention.h"

namespace sextant::trainer::attention_test {
namespace {

using testing_harness::wavy;

struct Shape {
  int64_t batch, heads, kv_heads, time, width;
  int64_t document;  // tokens of a document; 0: one a row
  int64_t window;
};

struct Case {
  InstructionSet set;
  at::ScalarType type;
  Shape shape;
};

const Shape kShapes[] = {
    {2, 2, 2, 32, 64, 0, 0},     // whole blocks
    {1, 1, 1, 1, 16, 0, 0},      // one token
    {1, 6, 2, 77, 48, 0, 0},     // three queries a key head, nothing whole
    {2, 4, 1, 100, 32, 13, 0},   // documents
    {1, 2, 2, 130, 128, 0, 40},  // a window
    {1, 2, 1, 601, 64, 250, 0},  // several chunks of keys and queries
    {1, 1, 1, 300, 20, 90, 33},
};

std::vector<Case> cases() {
  std::vector<Case> result;
  for (InstructionSet set : supported_instruction_sets()) {
    for (at::ScalarType type : {at::kFloat, at::kBFloat16}) {
      for (const Shape& shape : kShapes) result.push_back({set, type, shape});
    }
  }
  return result;
}

std::string name_of_case(const testing::TestParamInfo<Case>& info) {
  const Shape& shape = info.param.shape;
  return fmt::format("{}_{}_T{}_D{}", name_of(info.param.set), at::toString(info.param.type), shape.time,
                     shape.width);
}

class Attention : public testing::TestWithParam<Case> {
 protected:
  // [B, heads, T, D] as a projection lays it out, in the type's own numbers.
  at::Tensor rows(int64_t heads, double phase) const {
    auto [set, type, shape] = GetParam();
    return wavy({shape.batch, shape.time, heads, shape.width}, phase).mul_(2).to(type).transpose(1, 2);
  }
  at::Tensor firsts() const {
    const Shape& shape = GetParam().shape;
    if (shape.document == 0 && shape.window == 0) return {};
    int64_t document = shape.document == 0 ? shape.time : shape.document;
    at::Tensor documents = at::arange(shape.time, at::kInt).div_(document, "floor");
    return first_keys(documents.expand({shape.batch, shape.time}).contiguous(), shape.window);
  }
};

INSTANTIATE_TEST_SUITE_P(Shapes, Attention, testing::ValuesIn(cases()), name_of_case);

// Written out: softmax over what each query sees.
at::Tensor reference(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                     const Shape& shape) {
  int64_t group = shape.heads / shape.kv_heads;
  at::Tensor keys = key.repeat_interleave(group, 1), values = value.repeat_interleave(group, 1);
  at::Tensor scores = at::matmul(query, keys.transpose(2, 3)).div_(std::sqrt(shape.width));
  at::Tensor t = at::arange(shape.time).unsqueeze(1), s = at::arange(shape.time).unsqueeze(0);
  at::Tensor seen = s <= t;
  if (shape.document > 0) seen = seen & (t.div(shape.document, "floor") == s.div(shape.document, "floor"));
  if (shape.window > 0) seen = seen & (t - s < shape.window);
  scores = scores.masked_fill(seen.logical_not(), -INFINITY);
  return at::matmul(at::softmax(scores, -1), values);
}

double difference(const at::Tensor& ours, const at::Tensor& expected) {
  at::Tensor exact = expected.detach();
  return ((ours.to(at::kDouble) - exact).abs().max() / exact.abs().max()).item<double>();
}

TEST_P(Attention, EqualsTheFormula) {
  auto [set, type, shape] = GetParam();
  std::vector<at::Tensor> ours{rows(shape.heads, 0.1), rows(shape.kv_heads, 1.3), rows(shape.kv_heads, 2.9)};
  std::vector<at::Tensor> exact;
  for (at::Tensor& each : ours) {
    each = each.requires_grad_(true);
    exact.push_back(each.detach().to(at::kDouble).requires_grad_(true));
  }
  at::Tensor output = causal_attention(ours[0], ours[1], ours[2], firsts(), set);
  at::Tensor expected = reference(exact[0], exact[1], exact[2], shape);
  // fp32: sums of some hundred products. bf16: probabilities and score gradients have 8 bits as factors.
  double tolerance = type == at::kFloat ? 1e-5 : 2e-2;
  EXPECT_LT(difference(output.detach(), expected), tolerance);
  EXPECT_TRUE(output.transpose(1, 2).is_contiguous()) << "the next layer reads it as it is";

  at::Tensor grad = rows(shape.heads, 3.7);
  output.backward(grad);
  expected.backward(grad.to(at::kDouble));
  if (shape.time == 1) return;  // one key: the scores' gradients are zero but for rounding
  EXPECT_LT(difference(ours[0].grad(), exact[0].grad()), tolerance) << "query";
  EXPECT_LT(difference(ours[1].grad(), exact[1].grad()), tolerance) << "key";
  EXPECT_LT(difference(ours[2].grad(), exact[2].grad()), tolerance) << "value";
}

TEST(AttentionThreads, SameBitsForAnyNumber) {
  for (at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    std::vector<std::vector<at::Tensor>> results;
    int before = at::get_num_threads();
    for (int threads : {1, 2}) {
      at::set_num_threads(threads);
      at::Tensor q = wavy({3, 70, 4, 32}, 0.1).to(type).transpose(1, 2).requires_grad_(true);
      at::Tensor k = wavy({3, 70, 2, 32}, 1.1).to(type).transpose(1, 2).requires_grad_(true);
      at::Tensor out = causal_attention(q, k, k, at::Tensor());
      out.backward(wavy({3, 4, 70, 32}, 2.1).to(type));
      results.push_back({out.detach(), q.grad(), k.grad()});
    }
    at::set_num_threads(before);
    for (size_t i = 0; i < results[0].size(); ++i) EXPECT_TRUE(at::equal(results[0][i], results[1][i]));
  }
}

TEST(AttentionFirstKeys, DocumentsAndWindow) {
  at::Tensor documents = at::tensor({4, 4, 4, 5, 5, 9}, at::kInt).view({1, 6});
  EXPECT_TRUE(at::equal(first_keys(documents), at::tensor({0, 0, 0, 3, 3, 5}, at::kInt).view({1, 6})));
  EXPECT_TRUE(at::equal(first_keys(documents, 2), at::tensor({0, 0, 1, 3, 3, 5}, at::kInt).view({1, 6})));
  EXPECT_TRUE(at::equal(first_keys(documents.narrow(1, 0, 1)), at::zeros({1, 1}, at::kInt)));
}

}  // namespace
}  // namespace sextant::trainer::attention_test
