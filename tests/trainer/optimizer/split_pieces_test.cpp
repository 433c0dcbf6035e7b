// Rules on masters that are split, against the same on whole ones: not close, equal.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "trainer/optimizer/optimizer.h"

namespace sextant::trainer {
namespace {

struct Case {
  OptimizerSettings::Kind kind;
  bool relative_step = false;
};

class SplitPieces : public testing::TestWithParam<Case> {};

at::Tensor drawn(const std::vector<int64_t>& shape, double phase) {
  int64_t elements = 1;
  for (int64_t extent : shape) elements *= extent;
  return (at::arange(elements, at::kDouble) * 1.7 + phase).sin().view(shape).to(at::kFloat);
}

std::unique_ptr<ParameterList> weights() {
  auto list = std::make_unique<ParameterList>(Precision{at::kFloat, at::kBFloat16}, at::kCPU);
  double phase = 0;
  for (auto [name, shape, role] : {std::tuple{"hidden", std::vector<int64_t>{40, 24}, Role::kHidden},
                                   {"embedding", std::vector<int64_t>{70, 24}, Role::kEmbedding},
                                   {"norm", std::vector<int64_t>{24}, Role::kVector}}) {
    Parameter described;
    described.name = name;
    described.shape = shape;
    described.role = role;
    if (role == Role::kVector) described.decay = Decay::kNo;
    Parameter& parameter = list->add(std::move(described));
    parameter.master.copy_(drawn(shape, phase += 0.3));
    // Half way between two bf16 numbers, above even ones and odd ones; and where rounding is without effect.
    at::Tensor bits = parameter.master.view({-1}).view(at::kInt);
    bits.narrow(0, 0, 8).bitwise_and_(-65536).bitwise_or_(0x8000);
    bits.narrow(0, 8, 4).bitwise_and_(-65536);
    parameter.grad = at::empty_like(parameter.master);
  }
  list->refresh_values();
  return list;
}

TEST_P(SplitPieces, AreUpdatedToTheSameBits) {
  OptimizerSettings settings;
  settings.set_kind(GetParam().kind);
  settings.set_learning_rate(0.01);
  settings.set_weight_decay(0.1);
  settings.set_relative_step(GetParam().relative_step);
  auto whole_list = weights(), split_list = weights();
  std::vector<OwnedPiece> whole = whole_pieces(*whole_list), split = whole_pieces(*split_list);
  for (OwnedPiece& piece : split) {
    piece.split = SplitMaster(piece.value);
    piece.split.put(piece.master);
    piece.master = at::Tensor();
  }
  auto one = make_optimizer(settings, whole), other = make_optimizer(settings, split);
  for (int64_t step = 0; step < 40; ++step) {
    for (size_t i = 0; i < whole.size(); ++i) {
      whole[i].grad.copy_(drawn({whole[i].elements()}, 0.1 * static_cast<double>(step)));
      split[i].grad.copy_(whole[i].grad);
    }
    double rate = step % 8 == 7 ? 0.0 : 0.01;  // without a rate nothing moves, ties included
    one->update(rate, 0.5);
    other->update(rate, 0.5);
    for (size_t i = 0; i < whole.size(); ++i) {
      ASSERT_TRUE(at::equal(master_of(split[i]), whole[i].master)) << whole[i].parameter->name << step;
      ASSERT_TRUE(at::equal(split[i].value, whole[i].value)) << whole[i].parameter->name << step;
    }
  }
  std::vector<StateTensor> state = one->state(), others = other->state();
  ASSERT_EQ(state.size(), others.size());
  for (size_t i = 0; i < state.size(); ++i)
    EXPECT_TRUE(at::equal(state[i].tensor, others[i].tensor)) << state[i].name;
}

INSTANTIATE_TEST_SUITE_P(Kinds, SplitPieces,
                         testing::Values(Case{OptimizerSettings::adamw}, Case{OptimizerSettings::muon},
                                         Case{OptimizerSettings::adafactor},
                                         Case{OptimizerSettings::adafactor, true}),
                         [](const auto& named) {
                           return OptimizerSettings::Kind_Name(named.param.kind) +
                                  (named.param.relative_step ? "RelativeStep" : "");
                         });

}  // namespace
}  // namespace sextant::trainer
