// Attention whose keys come in parts, in every instruction set and in fp64, against the formula over all
// keys.
#include "trainer/kernels/attention_part.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/harness/finite_differences.h"

namespace sextant::trainer::attention_part_test {
namespace {

using testing_harness::wavy;

struct Shape {
  int64_t batch, heads, kv_heads, time, keys, width;
  int64_t ahead;   // of the first part; later parts lie behind
  int64_t window;  // keys that a query reads at most, 0: all
};

struct Case {
  InstructionSet set;
  at::ScalarType type;
  Shape shape;
};

const Shape kShapes[] = {
    {2, 2, 2, 32, 32, 64, 0, 0},      // whole blocks
    {1, 6, 2, 77, 77, 48, 0, 0},      // three queries a key head, nothing whole
    {2, 4, 1, 45, 130, 32, 85, 0},    // more keys than queries, the last query beside the last key
    {1, 2, 2, 330, 290, 64, 0, 0},    // queries past the last key, several chunks
    {1, 2, 1, 100, 100, 20, 0, 70},   // a window: early parts are not read by late queries
    {2, 2, 1, 64, 301, 128, 301, 0},  // all keys lie behind
};

std::vector<Case> cases() {
  std::vector<Case> result;
  for (const Shape& shape : kShapes) {
    for (InstructionSet set : supported_instruction_sets()) {
      for (at::ScalarType type : {at::kFloat, at::kBFloat16}) result.push_back({set, type, shape});
    }
    result.push_back({instruction_set(), at::kDouble, shape});
  }
  return result;
}

std::string name_of_case(const testing::TestParamInfo<Case>& info) {
  const Shape& shape = info.param.shape;
  return fmt::format("{}_{}_T{}_S{}", name_of(info.param.set), at::toString(info.param.type), shape.time,
                     shape.keys);
}

class AttentionPart : public testing::TestWithParam<Case> {
 protected:
  // [B, heads, T, D] as a projection lays it out, in the type's own numbers.
  at::Tensor rows(int64_t heads, int64_t time, double phase) const {
    auto [set, type, shape] = GetParam();
    return wavy({shape.batch, time, heads, shape.width}, phase).mul_(2).to(type).transpose(1, 2);
  }
};

INSTANTIATE_TEST_SUITE_P(Shapes, AttentionPart, testing::ValuesIn(cases()), name_of_case);

// Two parts of S keys: the one with the queries, and an older one of which each query t reads the keys from
// first(t) on. In the row, the older one lies before the other.
at::Tensor old_firsts(const Shape& shape) {
  at::Tensor t = at::arange(shape.time, at::kInt);
  at::Tensor first = shape.window == 0 ? t.div(3, "floor") : t + shape.keys + shape.ahead - shape.window + 1;
  return first.clamp(0, shape.keys).expand({shape.batch, shape.time}).contiguous();
}

at::Tensor new_firsts(const Shape& shape) {
  if (shape.window == 0) return {};
  at::Tensor first = at::arange(shape.time, at::kInt) + shape.ahead - shape.window + 1;
  return first.clamp(0, shape.keys).expand({shape.batch, shape.time}).contiguous();
}

// The formula over both parts, older first: key [B, KV, 2 S, D].
at::Tensor reference(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                     const Shape& shape) {
  int64_t group = shape.heads / shape.kv_heads;
  at::Tensor keys = key.repeat_interleave(group, 1), values = value.repeat_interleave(group, 1);
  at::Tensor scores = at::matmul(query, keys.transpose(2, 3)).div_(std::sqrt(shape.width));
  at::Tensor t = at::arange(shape.time).unsqueeze(1), s = at::arange(shape.keys).unsqueeze(0);
  at::Tensor seen_old = s >= old_firsts(shape)[0].unsqueeze(1), seen_new = s <= t + shape.ahead;
  if (shape.window > 0) seen_new = seen_new & (s >= new_firsts(shape)[0].unsqueeze(1));
  scores = scores.masked_fill(at::cat({seen_old, seen_new}, 1).logical_not(), -INFINITY);
  return at::matmul(at::softmax(scores, -1), values);
}

double difference(const at::Tensor& ours, const at::Tensor& expected) {
  at::Tensor exact = expected.detach();
  return ((ours.to(at::kDouble) - exact).abs().max() / exact.abs().max()).item<double>();
}

TEST_P(AttentionPart, PartsMakeTheWhole) {
  auto [set, type, shape] = GetParam();
  at::Tensor query = rows(shape.heads, shape.time, 0.1);
  at::Tensor key = rows(shape.kv_heads, 2 * shape.keys, 1.3),
             value = rows(shape.kv_heads, 2 * shape.keys, 2.9);
  std::vector<at::Tensor> exact;
  for (const at::Tensor& each : {query, key, value})
    exact.push_back(each.to(at::kDouble).detach().clone().requires_grad_(true));
  at::Tensor expected = reference(exact[0], exact[1], exact[2], shape);

  // The part with the queries first, the older one after it.
  const KeyRange ranges[] = {{new_firsts(shape), shape.ahead}, {old_firsts(shape), shape.keys}};
  const int64_t places[] = {shape.keys, 0};
  AttentionState state = empty_attention(query);
  for (int part : {0, 1}) {
    attend_part(query, key.narrow(2, places[part], shape.keys), value.narrow(2, places[part], shape.keys),
                ranges[part], state, set);
  }
  // fp32: sums of some hundred products. bf16: probabilities and score gradients have 8 bits as factors.
  double tolerance = type == at::kDouble ? 1e-12 : type == at::kFloat ? 1e-5 : 2e-2;
  EXPECT_LT(difference(state.mixed, expected), tolerance);

  at::Tensor grad = rows(shape.heads, shape.time, 3.7), output = state.mixed.to(type);
  expected.backward(grad.to(at::kDouble));
  auto options = state.mixed.options();
  AttentionSums sums{at::zeros_like(output, options), at::zeros(key.sizes(), options),
                     at::zeros(value.sizes(), options)};
  for (int part : {1, 0}) {
    AttentionSums of_part{sums.query, sums.key.narrow(2, places[part], shape.keys),
                          sums.value.narrow(2, places[part], shape.keys)};
    attend_part_backward(grad, query, key.narrow(2, places[part], shape.keys),
                         value.narrow(2, places[part], shape.keys), ranges[part], output, state.log_sum_exp,
                         of_part, set);
  }
  EXPECT_LT(difference(sums.query, exact[0].grad()), tolerance) << "query";
  EXPECT_LT(difference(sums.key, exact[1].grad()), tolerance) << "key";
  EXPECT_LT(difference(sums.value, exact[2].grad()), tolerance) << "value";
}

// What a query reads later must not depend on parts of which it read nothing.
TEST_P(AttentionPart, NothingReadChangesNothing) {
  auto [set, type, shape] = GetParam();
  at::Tensor query = rows(shape.heads, shape.time, 0.1);
  at::Tensor key = rows(shape.kv_heads, shape.keys, 1.3), value = rows(shape.kv_heads, shape.keys, 2.9);
  AttentionState state = empty_attention(query);
  at::Tensor none = at::full({shape.batch, shape.time}, shape.keys, at::kInt);
  attend_part(query, key, value, {none, shape.keys}, state, set);
  EXPECT_TRUE(state.log_sum_exp.isneginf().all().item<bool>());
  EXPECT_TRUE(at::equal(state.mixed, at::zeros_like(state.mixed)));

  attend_part(query, key, value, {{}, shape.keys}, state, set);
  AttentionState before{state.mixed.clone(), state.log_sum_exp.clone()};
  attend_part(query, key, value, {none, shape.keys}, state, set);
  // Going on from what is carried rounds once more: probabilities of 1 and a logarithm of it.
  double tolerance = type == at::kDouble ? 1e-14 : 1e-6;
  EXPECT_LT(difference(state.mixed, before.mixed.to(at::kDouble)), tolerance);
  EXPECT_LT(difference(state.log_sum_exp, before.log_sum_exp.to(at::kDouble)), tolerance);
}

}  // namespace
}  // namespace sextant::trainer::attention_part_test
