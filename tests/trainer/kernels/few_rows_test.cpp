// The kernels of generation: linear layers for few rows and attention over a cache, for every instruction
// set, against ATen in fp64.
#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/harness/finite_differences.h"
#include "trainer/kernels/attention.h"
#include "trainer/kernels/cached_attention.h"
#include "trainer/kernels/few_rows_linear.h"

namespace sextant::trainer::few_rows_test {
namespace {

using testing_harness::wavy;

struct Case {
  InstructionSet set;
  at::ScalarType type;
};

// Results are rounded to bf16's 8 bits (half a unit is 2^-9, seen against the largest number); fp32 sums have
// up to 1000 terms of 6e-8 each.
double tolerance(at::ScalarType type) {
  return type == at::kBFloat16 ? 4e-3 : 1e-5;
}

// Largest difference, in units of the largest expected number.
double difference(const at::Tensor& ours, const at::Tensor& expected) {
  at::Tensor exact = expected.to(at::kDouble);
  return ((ours.to(at::kDouble) - exact).abs().max() / exact.abs().max()).item<double>();
}

class FewRows : public testing::TestWithParam<Case> {
 protected:
  at::Tensor make(at::IntArrayRef shape, double phase) const {
    return wavy(shape, phase).to(GetParam().type);
  }
  c10::InferenceMode inference_;
};

std::vector<Case> cases() {
  std::vector<Case> result;
  for (InstructionSet set : supported_instruction_sets()) {
    for (at::ScalarType type : {at::kFloat, at::kBFloat16}) result.push_back({set, type});
  }
  return result;
}

INSTANTIATE_TEST_SUITE_P(Sets, FewRows, testing::ValuesIn(cases()), [](const auto& named) {
  return fmt::format("{}_{}", name_of(named.param.set), at::toString(named.param.type));
});

TEST_P(FewRows, LinearsAgreeWithFp64) {
  auto [set, type] = GetParam();
  for (int64_t in : {1, 7, 64, 203, 576}) {
    for (int64_t rows : {1, 2, 7, 16, 17, 32}) {
      at::Tensor x = make({rows, in}, 0.3), first = make({5, in}, 1.3), second = make({77, in}, 2.1);
      at::Tensor bias = make({77}, 0.8);
      auto ours = few_rows_linear(x, {{first, at::Tensor()}, {second, bias}}, type, set);
      at::Tensor wide = x.to(at::kDouble);
      EXPECT_LT(difference(ours[0], at::linear(wide, first.to(at::kDouble))), tolerance(type));
      EXPECT_LT(difference(ours[1], at::linear(wide, second.to(at::kDouble), bias.to(at::kDouble))),
                tolerance(type))
          << in << " numbers, " << rows << " rows";
      auto logits = few_rows_linear(x, {{second, at::Tensor()}}, at::kFloat, set)[0];
      EXPECT_LT(difference(logits, at::linear(wide, second.to(at::kDouble))), tolerance(at::kFloat));
    }
  }
}

TEST_P(FewRows, ARowsBitsDoNotDependOnTheOthers) {
  auto [set, type] = GetParam();
  at::Tensor x = make({90, 96}, 0.3), weight = make({83, 96}, 1.3);
  at::Tensor all = few_rows_linear(x, {{weight, at::Tensor()}}, type, set)[0];
  for (int64_t count : {1, 3, 16, 21, 37}) {
    at::Tensor some = few_rows_linear(x.narrow(0, 40, count), {{weight, at::Tensor()}}, type, set)[0];
    EXPECT_TRUE(at::equal(some, all.narrow(0, 40, count))) << count << " rows";
  }
}

// Four rows at various places of a cache, two tokens each.
TEST_P(FewRows, AttentionOverACacheIsMaskedAttention) {
  auto [set, type] = GetParam();
  for (int64_t width : {4, 24, 64}) {
    int64_t slots = 75;
    at::Tensor query = make({4, 2, 6, width}, 0.2) * 3, keys = make({4, 2, slots, width}, 0.7),
               values = make({4, 2, slots, width}, 1.9);
    at::Tensor positions = at::tensor({0, 1, 20, 21, 15, 16, 73, 74}, at::kLong).view({4, 2});
    at::Tensor ours = cached_attention(query, keys, values, positions, 0, set);
    at::Tensor expected = masked_attention(query.to(at::kDouble).transpose(1, 2), keys.to(at::kDouble),
                                           values.to(at::kDouble), cache_mask(positions, slots));
    EXPECT_LT(difference(ours, expected.transpose(1, 2)), tolerance(type)) << "head width " << width;
  }
}

TEST_P(FewRows, AWindowHidesWhatIsFurtherBack) {
  auto [set, type] = GetParam();
  at::Tensor query = make({1, 1, 2, 16}, 0.2), keys = make({1, 2, 40, 16}, 0.7),
             values = make({1, 2, 40, 16}, 1.9);
  at::Tensor ours = cached_attention(query, keys, values, at::full({1, 1}, 30, at::kLong), 8, set);
  at::Tensor alone =
      cached_attention(query, keys.narrow(2, 23, 8).contiguous(), values.narrow(2, 23, 8).contiguous(),
                       at::full({1, 1}, 7, at::kLong), 0, set);
  EXPECT_TRUE(at::equal(ours, alone));
}

TEST_P(FewRows, FreshKeysGoToTheirSlots) {
  at::Tensor slots = at::zeros({2, 3, 5, 4}, GetParam().type), fresh = make({2, 2, 3, 4}, 0.4);
  store_in_slots(slots, fresh, at::tensor({1, 2, 0, 4}, at::kLong).view({2, 2}));
  EXPECT_TRUE(at::equal(slots[0].narrow(1, 1, 2), fresh[0].transpose(0, 1)));
  EXPECT_TRUE(at::equal(slots[1].select(1, 0), fresh[1][0]));
  EXPECT_TRUE(at::equal(slots[1].select(1, 4), fresh[1][1]));
  EXPECT_EQ(slots[1].narrow(1, 1, 3).abs().sum().item<double>(), 0);
  EXPECT_THROW(store_in_slots(slots, fresh, at::full({2, 2}, 5, at::kLong)), std::logic_error);
}

TEST(FewRowsRules, OnlyInferenceTakesThem) {
  Linear layer{at::ones({32, 32}), at::Tensor()};
  at::Tensor x = at::ones({2, 32});
  EXPECT_FALSE(is_few_rows(x, layer));
  c10::InferenceMode inference;
  EXPECT_TRUE(is_few_rows(x, layer));
  EXPECT_FALSE(is_few_rows(x.to(at::kDouble), {layer.weight.to(at::kDouble), at::Tensor()}));
  EXPECT_FALSE(is_few_rows(at::ones({4096, 32}), layer));
}

}  // namespace
}  // namespace sextant::trainer::few_rows_test
