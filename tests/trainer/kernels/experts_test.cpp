// The kernels of mixtures of experts: backward against central differences in fp64, and against plain loops.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "tests/harness/finite_differences.h"
#include "trainer/kernels/expert_rows.h"
#include "trainer/kernels/grouped_feed_forward.h"
#include "trainer/kernels/router_pressure.h"

namespace sextant::trainer::kernels_experts_test {
namespace {

using testing_harness::expect_gradients;
using testing_harness::wavy;
using Inputs = std::vector<at::Tensor>;

at::Tensor weigh(const at::Tensor& x) {
  return (x * wavy(x.sizes(), 0.3)).sum();
}

// Three tokens, two choices each, of four experts; nobody chose expert 1.
at::Tensor choices() {
  return at::tensor({2, 0, 3, 2, 0, 3}, at::kLong).view({3, 2});
}

at::Tensor some_dropped() {
  return at::tensor({1, 1, 0, 1, 1, 0}, at::kLong).to(at::kBool).view({3, 2});
}

TEST(ExpertRows, AreSortedByExpertThenToken) {
  ExpertRows all = sort_by_expert(choices(), 4, {});
  EXPECT_TRUE(at::equal(all.choice, at::tensor({1, 4, 0, 3, 2, 5}, at::kLong)));
  EXPECT_TRUE(at::equal(all.counts, at::tensor({2, 0, 2, 2}, at::kLong)));
  EXPECT_TRUE(at::equal(all.row, at::tensor({2, 0, 4, 3, 1, 5}, at::kLong).view({3, 2})));
  ExpertRows kept = sort_by_expert(choices(), 4, some_dropped());
  EXPECT_TRUE(at::equal(kept.choice, at::tensor({1, 4, 0, 3}, at::kLong)));
  EXPECT_TRUE(at::equal(kept.counts, at::tensor({2, 0, 2, 0}, at::kLong)));
  EXPECT_TRUE(at::equal(kept.row, at::tensor({2, 0, 4, 3, 1, 4}, at::kLong).view({3, 2})));
}

TEST(ExpertRows, SpreadAndCombine) {
  for (const at::Tensor& kept : {at::Tensor(), some_dropped()}) {
    ExpertRows order = sort_by_expert(choices(), 4, kept);
    expect_gradients([&](const Inputs& in) { return weigh(spread(in[0], order)); }, {wavy({3, 5}, 0.1)});
    expect_gradients([&](const Inputs& in) { return weigh(combine(in[0], in[1], order)); },
                     {wavy({order.rows(), 5}, 0.1), wavy({3, 2}, 0.9)});
  }
}

TEST(ExpertRows, CombineLeavesDroppedChoicesOut) {
  ExpertRows order = sort_by_expert(choices(), 4, some_dropped());
  at::Tensor rows = wavy({4, 5}, 0.1), weights = wavy({3, 2}, 0.9);
  at::Tensor sum = combine(rows, weights, order);
  EXPECT_TRUE(at::allclose(sum[0], rows[2] * weights[0][0] + rows[0] * weights[0][1]));
  EXPECT_TRUE(at::allclose(sum[1], rows[3] * weights[1][1]));
  EXPECT_TRUE(at::allclose(sum[2], rows[1] * weights[2][0]));
}

TEST(GroupedFeedForward, Gradients) {
  for (Produced produced : {Produced::kKeep, Produced::kRecompute}) {
    for (const std::vector<int64_t>& counts : {std::vector<int64_t>{2, 0, 3}, {0, 5, 0}, {1, 2, 2}}) {
      expect_gradients(
          [&](const Inputs& in) {
            return weigh(grouped_feed_forward(in[0], counts, {in[1], in[2], in[3]}, produced));
          },
          {wavy({5, 4}, 0.1), wavy({3, 2, 4}, 0.9), wavy({3, 2, 4}, 2.0), wavy({3, 4, 2}, 3.0)});
    }
  }
}

TEST(GroupedFeedForward, NoRowsAtAll) {
  at::Tensor rows = at::empty({0, 4}, at::kDouble).requires_grad_(true);
  at::Tensor gate = wavy({3, 2, 4}, 0.9).requires_grad_(true);
  at::Tensor y = grouped_feed_forward(rows, {0, 0, 0}, {gate, wavy({3, 2, 4}, 2.0), wavy({3, 4, 2}, 3.0)},
                                      Produced::kKeep);
  y.sum().backward();
  EXPECT_EQ(gate.grad().abs().sum().item<double>(), 0);
}

// Writes where it is told to, as a gradient bucket does; what was there first is rubbish.
class Place : public parallel::GradientSink {
 public:
  explicit Place(at::IntArrayRef shape) : into_(at::full(shape, 1e30, at::kDouble)) {}
  void take(const std::function<void(const at::Tensor&, parallel::Onto)>& write) override {
    write(into_, filled_ ? parallel::Onto::kAdd : parallel::Onto::kWrite);
    filled_ = true;
  }
  const at::Tensor& gradient() const { return into_; }

 private:
  at::Tensor into_;
  bool filled_ = false;
};

TEST(GroupedFeedForward, SinksGetTheSumOverMicrobatches) {
  at::Tensor rows = wavy({5, 4}, 0.1).requires_grad_(true);
  std::vector<at::Tensor> leaves{wavy({3, 2, 4}, 0.9), wavy({3, 2, 4}, 2.0), wavy({3, 4, 2}, 3.0)};
  for (at::Tensor& leaf : leaves) leaf.requires_grad_(true);
  Place gate({3, 2, 4}), up({3, 2, 4}), down({3, 4, 2});
  ExpertWeights plain{leaves[0], leaves[1], leaves[2]}, sinking = plain;
  sinking.gate_sink = &gate, sinking.up_sink = &up, sinking.down_sink = &down;
  for (const std::vector<int64_t>& counts : {std::vector<int64_t>{2, 0, 3}, {0, 5, 0}}) {
    weigh(grouped_feed_forward(rows, counts, plain, Produced::kKeep)).backward();
    weigh(grouped_feed_forward(rows, counts, sinking, Produced::kKeep)).backward();
  }
  EXPECT_LT((gate.gradient() - leaves[0].grad()).abs().max().item<double>(), 1e-13);
  EXPECT_LT((up.gradient() - leaves[1].grad()).abs().max().item<double>(), 1e-13);
  EXPECT_LT((down.gradient() - leaves[2].grad()).abs().max().item<double>(), 1e-13);
}

// bf16 rounds inputs and results to 8 bits: 2e-2 of the largest, as for all kernels.
TEST(GroupedFeedForward, Bf16IsCloseToFp32) {
  std::vector<int64_t> counts{40, 3, 85};
  at::Tensor rows = wavy({128, 64}, 0.1).to(at::kBFloat16);
  ExpertWeights narrow{(wavy({3, 96, 64}, 0.9) * 0.2).to(at::kBFloat16),
                       (wavy({3, 96, 64}, 2.0) * 0.2).to(at::kBFloat16),
                       (wavy({3, 64, 96}, 3.0) * 0.2).to(at::kBFloat16)};
  ExpertWeights wide{narrow.gate.to(at::kFloat), narrow.up.to(at::kFloat), narrow.down.to(at::kFloat)};
  at::NoGradGuard no_gradient;
  at::Tensor expected = grouped_feed_forward(rows.to(at::kFloat), counts, wide, Produced::kKeep);
  at::Tensor got = grouped_feed_forward(rows, counts, narrow, Produced::kKeep).to(at::kFloat);
  EXPECT_LT((got - expected).abs().max().item<float>(), 2e-2 * expected.abs().max().item<float>());
}

// What under_pressure's gradient is the gradient of, by autograd through plain operations.
at::Tensor written_out(const at::Tensor& logits, const RouterPressure& pressure) {
  at::Tensor scores = pressure.score == RouterScore::kSoftmax ? at::softmax(logits, -1) : at::sigmoid(logits);
  at::Tensor shares = scores / scores.sum(-1, true);
  at::Tensor z = at::logsumexp(logits, -1).square().sum();
  return weigh(logits) + (pressure.force.unsqueeze(1) * shares).sum() + pressure.z_loss * z;
}

TEST(RouterPressure, AddsTheGradientOfBalanceAndZLoss) {
  for (RouterScore score : {RouterScore::kSoftmax, RouterScore::kSigmoid}) {
    RouterPressure pressure{score, wavy({2, 4}, 0.7), 0.3, at::tensor({1, 2, 3, 4}, at::kLong),
                            at::zeros({4}, at::kLong)};
    at::Tensor ours = wavy({2, 3, 4}, 0.1).requires_grad_(true);
    at::Tensor theirs = ours.detach().clone().requires_grad_(true);
    at::Tensor same = under_pressure(ours, pressure);
    EXPECT_TRUE(at::equal(same, ours)) << "forward changes nothing";
    weigh(same).backward();
    written_out(theirs, pressure).backward();
    EXPECT_LT((ours.grad() - theirs.grad()).abs().max().item<double>(), 1e-13);
    EXPECT_TRUE(at::equal(pressure.load, pressure.observed)) << "counted once, in backward";
    expect_gradients([&](const Inputs& in) { return written_out(in[0], pressure); }, {wavy({2, 3, 4}, 0.1)});
  }
}

}  // namespace
}  // namespace sextant::trainer::kernels_experts_test
