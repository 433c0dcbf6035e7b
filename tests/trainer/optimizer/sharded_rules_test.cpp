// Every update rule over slices and flat ranges against one rank that holds the wholes.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "parallel/group_threads.h"
#include "tests/harness/golden.h"
#include "tests/harness/seatings.h"
#include "trainer/optimizer/optimizer.h"
#include "trainer/optimizer/whole_gradient.h"

namespace sextant::trainer::sharded_rules_test {
namespace {

struct Described {
  const char* name;
  std::vector<int64_t> shape;
  int64_t tensor_dim;  // cut over the tensor axis; -1: whole
  Role role;
};

const std::vector<Described>& model() {
  static const std::vector<Described> kModel = {
      {"embedding", {8, 6}, 0, Role::kEmbedding},   {"norm", {6}, -1, Role::kVector},
      {"column", {10, 6}, 0, Role::kHidden},        {"row", {6, 10}, 1, Role::kHidden},
      {"whole", {3, 5}, -1, Role::kHidden},         {"experts", {2, 4, 6}, 1, Role::kHidden},
      {"experts_down", {2, 6, 4}, 2, Role::kHidden}};
  return kModel;
}

at::Tensor drawn(at::IntArrayRef shape, uint64_t key) {
  at::Tensor numbers = at::empty(shape, at::kDouble);
  for (int64_t i = 0; i < numbers.numel(); ++i) {
    numbers.view({-1})[i] = golden::unit(key, static_cast<uint64_t>(i));
  }
  return numbers;
}

at::Tensor box_of(at::Tensor whole, const parallel::Slice& slice) {
  for (size_t d = 0; d < slice.shape.size(); ++d) {
    whole = whole.narrow(static_cast<int64_t>(d), slice.offset[d], slice.shape[d]);
  }
  return whole;
}

constexpr int kSteps = 4;

at::Tensor gradient(size_t parameter, uint64_t step) {
  return drawn(model()[parameter].shape, 100 + 10 * step + parameter);
}

// The masters after some updates: of the model cut over `tensor`, each slice in ranges over `holders` (null:
// not cut); the pieces alone are updated.
std::vector<at::Tensor> trained(const OptimizerSettings& settings, parallel::Group* tensor,
                                parallel::Group* holders) {
  ParameterList parameters({at::kDouble, at::kDouble}, at::kCPU);
  std::vector<OwnedPiece> pieces;
  for (const Described& each : model()) {
    Parameter described;
    described.name = each.name;
    described.shape = each.shape;
    described.role = each.role;
    described.decay = each.role == Role::kVector ? Decay::kNo : Decay::kYes;
    // As muP would have it.
    described.learning_rate_scale = each.role == Role::kHidden ? 0.5 : 1.0;
    if (tensor != nullptr && each.tensor_dim >= 0) {
      described.placement.cuts = {{each.tensor_dim, tensor->size(), tensor->rank().value()}};
    }
    parameters.add(described);
  }
  pieces = whole_pieces(parameters);
  for (size_t i = 0; i < pieces.size(); ++i) {
    OwnedPiece& piece = pieces[i];
    piece.master.copy_(box_of(drawn(model()[i].shape, i), piece.parameter->slice()).reshape({-1}));
    if (holders != nullptr) {
      // Uneven ranges, that begin inside rows; of some parameters one holder has nothing.
      int64_t all = piece.end, middle = i % 3 == 2 ? all : (all * 2 + 4) / 5;
      piece.begin = holders->rank().value() == 0 ? 0 : middle;
      piece.end = holders->rank().value() == 0 ? middle : all;
      piece.master = piece.master.narrow(0, piece.begin, piece.elements());
      piece.holders = holders;
    }
    piece.grad = at::empty_like(piece.master);
  }
  auto optimizer = make_optimizer(settings, pieces, tensor);
  for (uint64_t step = 0; step < kSteps; ++step) {
    for (size_t i = 0; i < pieces.size(); ++i) {
      at::Tensor slice = box_of(gradient(i, step), pieces[i].parameter->slice()).reshape({-1});
      pieces[i].grad.copy_(slice.narrow(0, pieces[i].begin, pieces[i].elements()));
    }
    optimizer->update(0.02);
  }
  std::vector<at::Tensor> masters;
  for (const OwnedPiece& piece : pieces) masters.push_back(piece.master);
  return masters;
}

class ShardedRules : public testing::TestWithParam<OptimizerSettings::Kind> {};

// 4 ranks: two slices of each matrix, each in two ranges.
TEST_P(ShardedRules, EqualTheWhole) {
  for (bool relative : {false, true}) {
    OptimizerSettings settings;
    settings.set_kind(GetParam());
    settings.set_relative_step(relative);
    std::vector<at::Tensor> whole = trained(settings, nullptr, nullptr);
    parallel::run_ranks(4, [&](parallel::Group& world) {
      int64_t rank = world.rank().value();
      auto tensor = world.split(parallel::neighbours(2), "tensor");
      auto holders = world.split(parallel::apart_by(2), "holders");
      std::vector<at::Tensor> cut = trained(settings, tensor.get(), holders.get());
      for (size_t i = 0; i < cut.size(); ++i) {
        const Described& each = model()[i];
        parallel::Placement placement;
        if (each.tensor_dim >= 0) placement.cuts = {{each.tensor_dim, 2, tensor->rank().value()}};
        at::Tensor slice =
            box_of(whole[i].view(each.shape), placement.local(each.shape, each.name)).reshape({-1});
        int64_t begin = holders->rank().value() == 0 ? 0 : slice.numel() - cut[i].numel();
        at::Tensor expected = slice.narrow(0, begin, cut[i].numel());
        // The same arithmetic on the same whole: equal bits. ATen's AdamW rounds otherwise at a tensor's end.
        bool by_adamw = GetParam() == OptimizerSettings::adamw ||
                        (GetParam() == OptimizerSettings::muon && each.role != Role::kHidden);
        double largest = cut[i].numel() == 0 ? 0 : (cut[i] - expected).abs().max().item<double>();
        EXPECT_LE(largest, by_adamw ? 1e-15 : 0) << each.name << " rank " << rank;
      }
    });
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, ShardedRules,
                         testing::Values(OptimizerSettings::adamw, OptimizerSettings::muon,
                                         OptimizerSettings::adafactor),
                         [](const auto& named) { return OptimizerSettings::Kind_Name(named.param); });

// Two tensor ranks that hold the same slice, as key heads that are fewer than ranks.
TEST(WholeGradients, SlicesMayBeHeldTwice) {
  at::Tensor whole = drawn({4, 3}, 5);
  parallel::run_ranks(4, [&](parallel::Group& tensor) {
    ParameterList parameters({at::kDouble, at::kDouble}, at::kCPU);
    Parameter described;
    described.name = "key";
    described.shape = {4, 3};
    described.placement.cuts = {{0, 2, tensor.rank().value() / 2}};
    Parameter& parameter = parameters.add(described);
    WholeGradient gradient(whole_pieces(parameters), &tensor);
    at::Tensor own = box_of(whole, parameter.slice()).reshape({-1});
    EXPECT_TRUE(at::equal(gradient.gather(0, own), whole));
    EXPECT_TRUE(at::equal(gradient.own_part(0, whole), own));
  });
}

}  // namespace
}  // namespace sextant::trainer::sharded_rules_test
