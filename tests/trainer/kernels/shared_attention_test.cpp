// Ring and Ulysses attention on several ranks against causal attention of whole rows on one, and by central
// differences.
#include "tests/trainer/kernels/shared_attention.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "trainer/kernels/attention.h"
#include "trainer/kernels/ring_attention.h"
#include "trainer/kernels/ulysses_attention.h"

namespace sextant::trainer::shared_attention_test {
namespace {

using parallel::MeshSettings;
using testing_harness::wavy;

struct Case {
  MeshSettings::ContextKind kind;
  int64_t ranks;
  at::ScalarType type;
  SharedShape shape;
};

const SharedShape kShapes[] = {
    {2, 8, 8, 96, 16, 0, 0},    // plain
    {1, 8, 2, 240, 32, 0, 0},   // grouped queries; fewer key heads than ranks
    {2, 8, 4, 144, 16, 11, 0},  // documents that end inside chunks
    {1, 8, 4, 240, 16, 0, 30},  // a window narrower than a chunk: some meetings are empty
    {1, 8, 1, 96, 20, 50, 17},  // both
    {1, 24, 6, 96, 8, 13, 0},   // 6 key heads on 4 ranks: repeated twice
};

std::vector<Case> cases() {
  std::vector<Case> result;
  for (auto kind : {MeshSettings::ring, MeshSettings::ulysses}) {
    for (int64_t ranks : {1, 2, 3, 4}) {
      for (at::ScalarType type : {at::kDouble, at::kFloat, at::kBFloat16}) {
        for (const SharedShape& shape : kShapes) {
          if (kind == MeshSettings::ulysses && shape.heads % ranks != 0) continue;
          result.push_back({kind, ranks, type, shape});
        }
      }
    }
  }
  return result;
}

std::string name_of_case(const testing::TestParamInfo<Case>& info) {
  const auto& [kind, ranks, type, shape] = info.param;
  return fmt::format("{}_{}_{}_T{}_KV{}_documents{}_window{}", MeshSettings::ContextKind_Name(kind), ranks,
                     at::toString(type), shape.time, shape.kv_heads, shape.document, shape.window);
}

class Shared : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Attention, Shared, testing::ValuesIn(cases()), name_of_case);

SharedInputs inputs_of(const SharedShape& shape, at::ScalarType type) {
  auto rows = [&](int64_t heads, double phase) {
    return wavy({shape.batch, shape.time, heads, shape.width}, phase).mul_(2).to(type);
  };
  at::Tensor firsts;
  if (shape.document > 0 || shape.window > 0) {
    int64_t document = shape.document > 0 ? shape.document : shape.time;
    at::Tensor row = at::arange(shape.batch, at::kInt).unsqueeze(1);  // documents differ from row to row
    at::Tensor documents = (at::arange(shape.time, at::kInt) + row * 5).div(document, "floor");
    firsts = first_keys(documents.contiguous(), shape.window);
  }
  return {rows(shape.heads, 0.1), rows(shape.kv_heads, 1.3), rows(shape.kv_heads, 2.9), firsts,
          rows(shape.heads, 3.7)};
}

at::Tensor attend(MeshSettings::ContextKind kind, const at::Tensor& query, const at::Tensor& key,
                  const at::Tensor& value, const at::Tensor& firsts, const ContextCut& cut,
                  parallel::Group& context) {
  if (kind == MeshSettings::ulysses) return ulysses_attention(query, key, value, firsts, context);
  return ring_attention(query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2), cut(firsts),
                        context)
      .transpose(1, 2);
}

SharedAttention attention_of(MeshSettings::ContextKind kind) {
  return [kind](const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                const at::Tensor& firsts, const ContextCut& cut,
                parallel::Group& context) { return attend(kind, query, key, value, firsts, cut, context); };
}

// On one rank, in fp64.
SharedResults expected_of(SharedInputs inputs) {
  for (at::Tensor* each : {&inputs.query, &inputs.key, &inputs.value, &inputs.grad})
    *each = each->to(at::kDouble);
  return run_shared(1, MeshSettings::ring, inputs,
                    [](const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                       const at::Tensor& firsts, const ContextCut&, parallel::Group&) {
                      return causal_attention(query.transpose(1, 2), key.transpose(1, 2),
                                              value.transpose(1, 2), firsts)
                          .transpose(1, 2);
                    });
}

double difference(const at::Tensor& ours, const at::Tensor& expected) {
  return ((ours.to(at::kDouble) - expected).abs().max() / expected.abs().max()).item<double>();
}

TEST_P(Shared, EqualsOneRank) {
  const auto& [kind, ranks, type, shape] = GetParam();
  SharedInputs inputs = inputs_of(shape, type);
  SharedResults ours = run_shared(ranks, kind, inputs, attention_of(kind)), expected = expected_of(inputs);
  // fp64: other orders of the same sums. fp32: sums of some hundred products. bf16: probabilities and score
  // gradients have 8 bits as factors.
  double tolerance = type == at::kDouble ? 1e-12 : type == at::kFloat ? 1e-5 : 2e-2;
  EXPECT_LT(difference(ours.output, expected.output), tolerance);
  EXPECT_LT(difference(ours.dquery, expected.dquery), tolerance) << "query";
  EXPECT_LT(difference(ours.dkey, expected.dkey), tolerance) << "key";
  EXPECT_LT(difference(ours.dvalue, expected.dvalue), tolerance) << "value";
}

class SharedDifferences : public testing::TestWithParam<MeshSettings::ContextKind> {};
INSTANTIATE_TEST_SUITE_P(Kinds, SharedDifferences,
                         testing::Values(MeshSettings::ring, MeshSettings::ulysses));

// Every rank moves the same element of the whole rows; the function is the sum over ranks.
TEST_P(SharedDifferences, OfTheSumOverRanks) {
  SharedInputs inputs = inputs_of({1, 2, 1, 12, 3, 7, 5}, at::kDouble);
  parallel::run_ranks(2, [&](parallel::Group& context) {
    ContextCut cut{GetParam(), context.rank().value(), 2};
    auto loss_of = [&](const std::vector<at::Tensor>& whole) {
      at::Tensor output =
          attend(GetParam(), cut(whole[0]), cut(whole[1]), cut(whole[2]), inputs.first_keys, cut, context);
      return (output * cut(inputs.grad)).sum();
    };
    std::vector<at::Tensor> whole;
    for (const at::Tensor& each : {inputs.query, inputs.key, inputs.value})
      whole.push_back(each.clone().requires_grad_(true));
    loss_of(whole).backward();
    at::NoGradGuard no_gradient;
    constexpr double kStep = 1e-5;  // an error near 1e-10 of third derivatives, 1e-11 of rounding
    for (at::Tensor& each : whole) {
      at::Tensor grad = each.grad().clone(), flat = each.view({-1});
      context.all_reduce(grad);
      for (int64_t i = 0; i < flat.numel(); ++i) {
        double original = flat[i].item<double>();
        flat[i] = original + kStep;
        double above = loss_of(whole).item<double>();
        flat[i] = original - kStep;
        double below = loss_of(whole).item<double>();
        flat[i] = original;
        double slope = parallel::reduce_numbers(context, {(above - below) / (2 * kStep)})[0];
        EXPECT_NEAR(grad.view({-1})[i].item<double>(), slope, 1e-6) << "element " << i;
      }
    }
  });
}

// Zig-zag: with a causal mask every rank has the same number of pairs of query and key to compute.
TEST(ContextCut, ZigZagIsBalanced) {
  at::Tensor places = at::arange(48).unsqueeze(0);
  for (int64_t ranks : {2, 3, 4}) {
    for (int64_t rank = 0; rank < ranks; ++rank) {
      at::Tensor mine = ContextCut{MeshSettings::ring, rank, ranks}(places);
      EXPECT_EQ(mine.size(1), 48 / ranks);
      EXPECT_EQ((mine + 1).sum().item<int64_t>(), 48 * 49 / 2 / ranks) << "rank " << rank;
    }
  }
  EXPECT_TRUE(at::equal(ContextCut({MeshSettings::ring, 1, 2})(at::arange(8).unsqueeze(0)),
                        at::tensor({2, 3, 4, 5}).unsqueeze(0)));
  EXPECT_TRUE(at::equal(ContextCut({MeshSettings::ulysses, 1, 2})(at::arange(8).unsqueeze(0)),
                        at::tensor({4, 5, 6, 7}).unsqueeze(0)));
}

}  // namespace
}  // namespace sextant::trainer::shared_attention_test
