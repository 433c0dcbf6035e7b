// Muon and Adafactor against numpy and torch.optim, stacks of matrices, and what Muon leaves to AdamW.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/harness/golden.h"
#include "trainer/optimizer/optimizer.h"
#include "trainer/optimizer/orthogonal.h"

namespace sextant::trainer::golden_matrices_test {
namespace {

const golden::Json& file() {
  static const golden::Json kFile = golden::load("optimizer.json");
  return kFile;
}

at::Tensor tensor(const golden::Json& list) {
  return at::tensor(golden::numbers(list), at::kDouble);
}

// Numbers in [-1, 1) of full rank.
at::Tensor drawn(at::IntArrayRef shape, uint64_t key) {
  at::Tensor numbers = at::empty(shape, at::kDouble);
  for (int64_t i = 0; i < numbers.numel(); ++i) {
    numbers.view({-1})[i] = golden::unit(key, static_cast<uint64_t>(i));
  }
  return numbers;
}

double difference(const at::Tensor& ours, const golden::Json& theirs) {
  return (ours.reshape({-1}) - tensor(theirs)).abs().max().item<double>();
}

// A parameter with a gradient, in a list.
Parameter& add(ParameterList& parameters, const std::string& name, const std::vector<int64_t>& shape,
               Role role) {
  Parameter described;
  described.name = name;
  described.shape = shape;
  described.role = role;
  described.decay = shape.size() == 1 ? Decay::kNo : Decay::kYes;
  Parameter& parameter = parameters.add(described);
  parameter.grad = at::zeros_like(parameter.master);
  return parameter;
}

void set_muon(const golden::Json& entry, OptimizerSettings& settings) {
  settings.set_kind(OptimizerSettings::muon);
  settings.set_momentum(entry.at("momentum"));
  settings.set_nesterov(entry.at("nesterov"));
  bool match = entry.at("scale") == "match_adamw";
  settings.set_muon_scale(match ? OptimizerSettings::match_adamw : OptimizerSettings::original);
}

void set_adafactor(const golden::Json& entry, OptimizerSettings& settings) {
  settings.set_kind(OptimizerSettings::adafactor);
  settings.set_square_power(entry.at("square_power"));
  settings.set_update_clip(entry.at("update_clip"));
  settings.set_relative_step(entry.at("relative_step"));
}

// Follows an entry's updates and compares weights and what the rule remembers, whose keys are given in the
// order of state().
void follow(const golden::Json& entry, const OptimizerSettings& settings,
            const std::vector<std::string>& remembered) {
  ParameterList parameters({at::kDouble, at::kDouble}, at::kCPU);
  auto shape = golden::shape(entry);
  Parameter& parameter = add(parameters, "w", shape, Role::kHidden);
  parameter.decay = Decay::kYes;
  parameter.master.copy_(tensor(entry["start"]).view(shape));
  auto optimizer = make_optimizer(settings, whole_pieces(parameters));
  for (size_t step = 0; step < entry["gradients"].size(); ++step) {
    // Half the gradient times two is the gradient: the scale counts once.
    parameter.grad.copy_(tensor(entry["gradients"][step]).view(shape) / 2);
    optimizer->update(entry["learning_rates"][step], 2.0);
    const auto& after = entry["after"][step];
    EXPECT_LT(difference(parameter.master, after["weight"]), 1e-12) << "update " << step;
    auto state = optimizer->state();
    ASSERT_EQ(state.size(), remembered.size());
    for (size_t k = 0; k < state.size(); ++k) {
      EXPECT_LT(difference(state[k].tensor, after[remembered[k]]), 1e-12)
          << remembered[k] << " update " << step;
    }
  }
  EXPECT_EQ(optimizer->updates(), static_cast<int64_t>(entry["gradients"].size()));
}

TEST(GoldenMatrices, Muon) {
  ASSERT_FALSE(file()["muon"].empty());
  for (const auto& entry : file()["muon"]) {
    OptimizerSettings settings;
    settings.set_weight_decay(entry.at("weight_decay"));
    set_muon(entry, settings);
    follow(entry, settings, {"momentum"});
  }
}

TEST(GoldenMatrices, Adafactor) {
  ASSERT_FALSE(file()["adafactor"].empty());
  for (const auto& entry : file()["adafactor"]) {
    OptimizerSettings settings;
    settings.set_weight_decay(entry.at("weight_decay"));
    set_adafactor(entry, settings);
    std::vector<std::string> matrix{"rows", "columns"}, vector{"square"};
    follow(entry, settings, golden::shape(entry).size() == 2 ? matrix : vector);
  }
}

TEST(Orthogonalised, SingularValuesComeNearOne) {
  for (auto shape : {std::vector<int64_t>{8, 24}, {24, 8}, {3, 10, 16}}) {
    at::Tensor turned = orthogonalised(drawn(shape, 1) * 1e3);
    at::Tensor values = std::get<1>(at::linalg_svd(turned, /*full_matrices=*/false));
    // The quintic's five steps bring what is above 0.01 of the norm into this band.
    EXPECT_GT(values.min().item<double>(), 0.3);
    EXPECT_LT(values.max().item<double>(), 1.3);
  }
  EXPECT_EQ(orthogonalised(at::zeros({3, 4}, at::kDouble)).abs().max().item<double>(), 0);
}

// Three experts in a stack, and the same three as matrices.
TEST(MatrixStacks, AreTheirMatrices) {
  for (auto kind : {OptimizerSettings::muon, OptimizerSettings::adafactor}) {
    OptimizerSettings settings;
    settings.set_kind(kind);
    ParameterList stacked({at::kDouble, at::kDouble}, at::kCPU), apart({at::kDouble, at::kDouble}, at::kCPU);
    Parameter& stack = add(stacked, "experts", {3, 4, 5}, Role::kHidden);
    stack.master.copy_(drawn({3, 4, 5}, 1));
    for (int64_t e = 0; e < 3; ++e) {
      add(apart, std::to_string(e), {4, 5}, Role::kHidden).master.copy_(drawn({3, 4, 5}, 1)[e]);
    }
    auto one = make_optimizer(settings, whole_pieces(stacked)),
         three = make_optimizer(settings, whole_pieces(apart));
    for (uint64_t step = 0; step < 3; ++step) {
      at::Tensor grad = drawn({3, 4, 5}, 7 + step);
      // Experts of different sizes: none must lend its scale to another.
      stack.grad.copy_(grad * at::tensor({1.0, 10.0, 0.1}, at::kDouble).view({3, 1, 1}));
      for (int64_t e = 0; e < 3; ++e) (*(apart.begin() + e))->grad.copy_(stack.grad[e]);
      one->update(1e-2);
      three->update(1e-2);
      for (int64_t e = 0; e < 3; ++e) {
        at::Tensor expected = (*(apart.begin() + e))->master;
        EXPECT_LT((stack.master[e] - expected).abs().max().item<double>(), 1e-13)
            << OptimizerSettings::Kind_Name(kind) << " expert " << e;
      }
    }
  }
}

TEST(MuonRest, GoesByAdamWWithItsOwnLearningRate) {
  const std::vector<std::pair<Role, std::vector<int64_t>>> rest = {
      {Role::kEmbedding, {6, 3}}, {Role::kVector, {3}}, {Role::kRouter, {4, 3}}, {Role::kOutput, {6, 3}}};
  OptimizerSettings settings;
  settings.set_learning_rate(1e-2);
  settings.set_adamw_learning_rate(4e-3);
  std::vector<at::Tensor> after[2];
  for (auto kind : {OptimizerSettings::muon, OptimizerSettings::adamw}) {
    ParameterList parameters({at::kDouble, at::kDouble}, at::kCPU);
    for (const auto& [role, shape] : rest) add(parameters, std::to_string(parameters.size()), shape, role);
    add(parameters, "hidden", {3, 3}, Role::kHidden);
    settings.set_kind(kind);
    for (const auto& parameter : parameters) parameter->master.copy_(drawn(parameter->shape, 2));
    auto optimizer = make_optimizer(settings, whole_pieces(parameters));
    for (uint64_t step = 0; step < 3; ++step) {
      for (const auto& parameter : parameters) parameter->grad.copy_(drawn(parameter->shape, 3 + step));
      // In the middle of its schedule: half of the highest.
      optimizer->update(kind == OptimizerSettings::muon ? 5e-3 : 2e-3);
    }
    for (const auto& parameter : parameters) after[kind].push_back(parameter->master);
  }
  for (size_t i = 0; i < rest.size(); ++i) {
    EXPECT_LT((after[0][i] - after[1][i]).abs().max().item<double>(), 1e-15) << i;
  }
  EXPECT_GT((after[0].back() - after[1].back()).abs().max().item<double>(), 1e-4);
}

}  // namespace
}  // namespace sextant::trainer::golden_matrices_test
