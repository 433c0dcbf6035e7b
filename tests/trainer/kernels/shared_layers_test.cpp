// Layers that ranks share: gradients against central differences of the ranks' joint loss, in fp64.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <tuple>

#include "parallel/autograd_collectives.h"
#include "parallel/group_threads.h"
#include "tests/harness/finite_differences.h"
#include "tests/harness/joint_differences.h"
#include "trainer/kernels/embedding.h"
#include "trainer/kernels/fixed_blocks.h"
#include "trainer/kernels/fused_linear.h"
#include "trainer/kernels/linear_cross_entropy.h"
#include "trainer/kernels/softmax.h"
#include "trainer/kernels/vocabulary_part.h"

namespace sextant::trainer::shared_layers_test {
namespace {

using parallel::Group;
using testing_harness::Held;
using testing_harness::JointDifferences;
using testing_harness::Losses;
using testing_harness::wavy;

// Numbers of each rank's own.
at::Tensor own(at::IntArrayRef shape, double phase, const Group& group) {
  return wavy(shape, phase + 10.0 * static_cast<double>(group.rank().value()));
}

at::Tensor weighed(const at::Tensor& y, const Group& group) {
  return (y * own(y.sizes(), 0.3, group)).sum();
}

// Gradients of what n ranks compute together, each of its whole part at once or of two blocks of it.
class SharedGradients : public testing::TestWithParam<std::tuple<int64_t, int64_t>> {
 protected:
  static int64_t ranks() { return std::get<0>(GetParam()); }
  static int64_t blocks() { return std::get<1>(GetParam()); }
  static TensorShare share(Group& group) { return {&group, Stream::kShards, blocks()}; }
};

TEST_P(SharedGradients, OfColumnLayersWithTheirNorm) {
  for (Produced produced : {Produced::kKeep, Produced::kRecompute}) {
    parallel::run_ranks(ranks(), [&](Group& group) {
      auto loss = [&](const std::vector<at::Tensor>& in) {
        auto y =
            norm_linear(in[0], in[1], in[2], 1e-5, {{in[3], in[4]}, {in[5], in[6]}}, produced, share(group));
        return weighed(y[0], group) + weighed(at::sin(y[1]), group);
      };
      // x [2, 2, 3] of 2 rows and 2 n tokens; two layers of 4 and 2 outputs on each rank.
      JointDifferences(loss,
                       {{own({2, 2, 3}, 1, group)},
                        {wavy({3}, 2) + 1.5, Held::kInCommon},
                        {wavy({3}, 3), Held::kInCommon},
                        {own({4, 3}, 4, group)},
                        {own({4}, 5, group)},
                        {own({2, 3}, 6, group)},
                        {own({2}, 7, group)}},
                       group, Losses::kAddUp)
          .check();
    });
  }
}

TEST_P(SharedGradients, OfARowLayer) {
  parallel::run_ranks(ranks(), [&](Group& group) {
    auto loss = [&](const std::vector<at::Tensor>& in) {
      return weighed(at::sin(linear(in[0], {in[1], in[2]}, share(group))), group);
    };
    JointDifferences(
        loss,
        {{own({2, 2 * ranks(), 2}, 1, group)}, {own({3, 2}, 2, group)}, {wavy({3}, 3), Held::kInCommon}},
        group, Losses::kAddUp)
        .check();
  });
}

TEST_P(SharedGradients, OfARowLayerAfterAnActivation) {
  for (Produced produced : {Produced::kKeep, Produced::kRecompute}) {
    parallel::run_ranks(ranks(), [&](Group& group) {
      auto loss = [&](const std::vector<at::Tensor>& in) {
        return weighed(at::sin(activation_linear(in[0], in[1], {in[2], in[3]}, produced, share(group))),
                       group);
      };
      JointDifferences(loss,
                       {{own({1, 2 * ranks(), 4}, 1, group)},
                        {own({1, 2 * ranks(), 4}, 2, group)},
                        {own({3, 4}, 3, group)},
                        {wavy({3}, 4), Held::kInCommon}},
                       group, Losses::kAddUp)
          .check();
    });
  }
}

// 8 ids over the ranks; two tokens of the same id, one that does not count.
TEST_P(SharedGradients, OfTheLossOverAVocabulary) {
  parallel::run_ranks(ranks(), [&](Group& group) {
    at::Tensor targets = at::tensor({7, 0, 3, 3, 6}, at::kLong);
    at::Tensor counts = at::tensor({1.0, 0.5, 1.0, 0.0, 2.0}, at::kDouble);
    auto loss = [&](const std::vector<at::Tensor>& in) {
      return linear_cross_entropy(in[0], in[1], targets, counts, 2, nullptr, &group,
                                  std::max<int64_t>(blocks(), 1));
    };
    JointDifferences(loss, {{wavy({5, 3}, 1), Held::kInCommon}, {own({8 / ranks(), 3}, 2, group)}}, group,
                     Losses::kAreOne)
        .check();
  });
}

INSTANTIATE_TEST_SUITE_P(RanksAndBlocks, SharedGradients,
                         testing::Combine(testing::Values(1, 2, 4), testing::Values(0, 2)),
                         [](const auto& named) {
                           return std::to_string(std::get<0>(named.param)) + "Ranks" +
                                  std::to_string(std::get<1>(named.param)) + "Blocks";
                         });

TEST(NormOfHeadsInBlocks, HasTheGradientsOfItsRanksTogether) {
  for (int64_t ranks : {1, 2, 4}) {
    parallel::run_ranks(ranks, [&](Group& group) {
      auto loss = [&](const std::vector<at::Tensor>& in) {
        return weighed(norm_in_blocks(in[0], in[1], at::Tensor(), 1e-5, 2, 2, {}), group);
      };
      JointDifferences(loss, {{own({2, 1, 4, 3}, 1, group)}, {wavy({3}, 2) + 1.5, Held::kInCommon}}, group,
                       Losses::kAddUp)
          .check();
    });
  }
}

class SharedLayers : public testing::TestWithParam<int64_t> {};

TEST_P(SharedLayers, VocabularyLossIsOneRanksInEveryType) {
  at::Tensor hidden = wavy({6, 16}, 1), weight = wavy({64, 16}, 2);
  at::Tensor targets = at::tensor({63, 0, 31, 32, 15, 16}, at::kLong), counts = at::ones({6}, at::kDouble);
  for (auto [type, relative] :
       {std::pair(at::kDouble, 1e-13), std::pair(at::kFloat, 1e-6), std::pair(at::kBFloat16, 1e-6)}) {
    at::Tensor h = hidden.to(type, /*non_blocking=*/false, /*copy=*/true).requires_grad_(true);
    at::Tensor w = weight.to(type, /*non_blocking=*/false, /*copy=*/true).requires_grad_(true);
    at::Tensor alone = linear_cross_entropy(h, w, targets, counts.to(at::kFloat), 4);
    alone.backward();
    at::Tensor logs = target_log_probabilities(h, w, targets, 4);
    parallel::run_ranks(GetParam(), [&, type = type, relative = relative](Group& group) {
      auto rank = static_cast<size_t>(group.rank().value());
      at::Tensor x = h.detach().clone().requires_grad_(true);
      at::Tensor part = w.detach().chunk(group.size())[rank].clone().requires_grad_(true);
      at::Tensor sum = linear_cross_entropy(x, part, targets, counts.to(at::kFloat), 4, nullptr, &group);
      EXPECT_NEAR(sum.item<double>(), alone.item<double>(), relative * alone.item<double>());
      sum.backward();
      // bf16 logits of one product are the same bits in parts; gradients are rounded once more by their sum.
      double rounding = type == at::kBFloat16 ? 1e-2 : 10 * relative;
      EXPECT_TRUE(at::allclose(part.grad(), w.grad().chunk(group.size())[rank], rounding, rounding));
      at::Tensor dhidden = x.grad().clone();
      group.all_reduce(dhidden);
      EXPECT_TRUE(at::allclose(dhidden, h.grad(), rounding, rounding));
      at::Tensor own_logs = target_log_probabilities(x, part, targets, 4, &group);
      EXPECT_TRUE(at::allclose(own_logs, logs, 10 * relative, 10 * relative));
    });
  }
}

TEST_P(SharedLayers, EmbeddingInParts) {
  parallel::run_ranks(GetParam(), [&](Group& group) {
    at::Tensor tokens = at::tensor({7, 0, 3, 3, 6, 2, 1, 7}, at::kLong).view({2, 4});
    auto loss = [&](const std::vector<at::Tensor>& in) {
      VocabularyPart vocabulary(in[0], &group);
      at::Tensor part = embedding_part(in[0], vocabulary.rows_of(tokens), nullptr);
      return weighed(at::sin(parallel::reduce_scatter(part, 1, group)), group);
    };
    JointDifferences(loss, {{own({8 / group.size(), 3}, 1, group)}}, group, Losses::kAddUp).check();
  });
}

// Without gradient a stream may be whole on every rank, with any number of tokens.
TEST_P(SharedLayers, AWholeStreamGivesWhatShardsGive) {
  int64_t n = GetParam();
  parallel::run_ranks(n, [&](Group& group) {
    at::NoGradGuard no_gradient;
    at::Tensor x = wavy({2, n, 3}, 1), norm_weight = wavy({3}, 2), bias = wavy({3}, 3);
    at::Tensor shard = x.chunk(n, 1)[static_cast<size_t>(group.rank().value())];
    Linear column{own({2, 3}, 4, group), own({2}, 5, group)}, row{own({3, 2}, 6, group), bias};
    auto run = [&](const at::Tensor& stream, Stream kind) {
      TensorShare share{&group, kind};
      at::Tensor inside =
          norm_linear(stream, norm_weight, at::Tensor(), 1e-5, {column}, Produced::kKeep, share)[0];
      return activation_linear(at::Tensor(), inside, row, Produced::kKeep, share);
    };
    at::Tensor whole = run(x, Stream::kWhole), part = run(shard, Stream::kShards);
    at::Tensor all = parallel::gather(part, 1, group);
    EXPECT_LT((whole - all).abs().max().item<double>(), 1e-14);
    EXPECT_EQ(run(x.narrow(1, 0, 1), Stream::kWhole).size(1), 1);
  });
}

INSTANTIATE_TEST_SUITE_P(Ranks, SharedLayers, testing::Values(2, 4),
                         [](const auto& named) { return std::to_string(named.param); });

TEST(SoftmaxGradient, ATargetElsewhereTakesNothingOff) {
  for (InstructionSet set : supported_instruction_sets()) {
    at::Tensor logits = wavy({2, 37}, 1).to(at::kFloat), sums = at::logsumexp(logits, {1});
    at::Tensor expected = at::softmax(logits, 1) * 0.5;
    softmax_gradient_(logits, sums, at::full({2}, kElsewhere, at::kLong), at::full({2}, 0.5f), set);
    EXPECT_LT((logits - expected).abs().max().item<double>(), 1e-6);
  }
}

}  // namespace
}  // namespace sextant::trainer::shared_layers_test
