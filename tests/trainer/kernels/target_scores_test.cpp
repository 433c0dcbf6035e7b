#include "trainer/kernels/target_scores.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include "parallel/group_threads.h"
#include "tests/harness/finite_differences.h"

namespace sextant::trainer {
namespace {

using testing_harness::wavy;

// More tokens than stand in memory at one time, and targets at the edges of such parts.
constexpr int64_t kVocabulary = 9000, kChannels = 16;

struct Question {
  at::Tensor hidden = wavy({5, kChannels}, 0.3).to(at::kDouble);
  at::Tensor weight = wavy({kVocabulary, kChannels}, 1.1).to(at::kDouble);
  at::Tensor rows = at::tensor({0, 1, 1, 2, 3, 4, 4, 0}, at::kLong);
  at::Tensor targets = at::tensor({0, 4095, 4096, 8999, 17, 8192, 5000, 0}, at::kLong);

  // The last target is the likeliest where it stands.
  Question() { targets[7] = at::matmul(hidden, weight.t()).argmax(1)[0]; }
};

TEST(TargetScores, AreTheSoftmaxOverTheVocabulary) {
  c10::InferenceMode inference;
  Question question;
  at::Tensor expected = at::log_softmax(at::matmul(question.hidden, question.weight.t()), 1)
                            .index({question.rows, question.targets});
  auto scores = target_scores(question.hidden, question.weight, question.rows, question.targets);
  EXPECT_TRUE(at::allclose(scores.log_probabilities, expected, 1e-12, 1e-12));
  EXPECT_TRUE(scores.likeliest[7].item<bool>());
  EXPECT_EQ(scores.likeliest.sum().item<int64_t>(), 1);
  auto single = target_scores(question.hidden.to(at::kFloat), question.weight.to(at::kFloat), question.rows,
                              question.targets);
  EXPECT_TRUE(at::allclose(single.log_probabilities, expected, 1e-5, 1e-5));
  EXPECT_TRUE(at::equal(single.likeliest, scores.likeliest));
}

TEST(TargetScores, SharedOutVocabulariesGiveTheSame) {
  Question question;
  auto expected = target_scores(question.hidden, question.weight, question.rows, question.targets);
  for (int64_t ranks : {2, 3}) {
    parallel::run_ranks(ranks, [&](parallel::Group& group) {
      int64_t share = kVocabulary / ranks;
      at::Tensor own = question.weight.narrow(0, group.rank().value() * share, share);
      auto scores = target_scores(question.hidden, own, question.rows, question.targets, &group);
      EXPECT_TRUE(at::allclose(scores.log_probabilities, expected.log_probabilities, 1e-12, 1e-12));
      EXPECT_TRUE(at::equal(scores.likeliest, expected.likeliest));
    });
  }
}

}  // namespace
}  // namespace sextant::trainer
