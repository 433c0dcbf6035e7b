// Values that come and go: right numbers while needed, no memory otherwise, and autograd none the wiser.
#include "parallel/unit_values.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "parallel/group_threads.h"

namespace sextant::parallel::unit_values_test {
namespace {

constexpr int64_t kUnits = 3;

// A matrix and a vector in each unit.
struct Scene {
  std::vector<HeldTensor> held;
  Holders holders;
  BucketLayout layout;

  static std::vector<HeldTensor> weights() {
    std::vector<HeldTensor> held;
    for (int64_t u = 0; u < kUnits; ++u) {
      held.push_back({"matrix" + std::to_string(u), {{0, 0}, {8, 9}}});
      held.push_back({"vector" + std::to_string(u), {{0}, {7}}});
    }
    return held;
  }
  static BucketLayout layout_of(const std::vector<HeldTensor>& held, const Holders& holders) {
    std::vector<FlatTensor> tensors;
    for (size_t i = 0; i < held.size(); ++i) {
      size_t set = holders.set_of(i);
      tensors.push_back({held[i].slice.shape, at::kDouble, at::kCPU, set, holders.group(set).size(),
                         static_cast<int64_t>(i / 2)});
    }
    return {tensors, 1 << 20, BucketEnd::kUnit};
  }

  explicit Scene(Group& world) : held(weights()), holders(world, held), layout(layout_of(held, holders)) {}

  at::Tensor numbers(size_t tensor, double start) const {
    int64_t count = held[tensor].slice.elements();
    return (at::arange(count, at::kDouble) + start + 1000.0 * static_cast<double>(tensor))
        .view(held[tensor].slice.shape);
  }

  // Writes what this rank owns of all numbers.
  void fill(const UnitValues& values, double start) const {
    for (size_t b = 0; b < layout.count(); ++b) {
      at::Tensor whole = at::zeros({layout.elements(b)}, at::kDouble);
      for (size_t tensor : layout.tensors_of(b)) layout.view(whole, tensor).copy_(numbers(tensor, start));
      Range own = layout.owned(b, holders.group(layout.set_of(b)).rank().value());
      values.shard(b).copy_(whole.narrow(0, own.begin, own.elements()));
    }
  }
};

TEST(UnitValues, AreHereWhileNeeded) {
  for (int64_t ranks : {2, 3}) {
    run_ranks(ranks, [&](Group& world) {
      Scene scene(world);
      UnitValues values(scene.layout, scene.holders, at::kDouble);
      std::vector<at::Tensor> tensors;
      for (size_t i = 0; i < scene.held.size(); ++i) tensors.push_back(values.value(i));
      for (double start : {0.5, 7.25}) {
        scene.fill(values, start);
        values.refresh();
        int64_t rest = values.bytes();
        for (int64_t unit = 0; unit < kUnits; ++unit) {
          values.need(unit, unit + 1 < kUnits ? unit + 1 : UnitUse::kNone);
          values.need(unit, UnitUse::kNone);  // a second microbatch
          values.done(unit);
          for (size_t i : {static_cast<size_t>(2 * unit), static_cast<size_t>(2 * unit + 1)}) {
            EXPECT_TRUE(at::equal(tensors[i], scene.numbers(i, start))) << i << " of " << ranks << " ranks";
          }
          values.done(unit);
        }
        EXPECT_EQ(values.bytes(), rest);
        EXPECT_EQ(tensors[0].storage().nbytes(), 0u);
      }
    });
  }
}

TEST(UnitValues, LingerUntilTheNextIsNeeded) {
  run_ranks(2, [&](Group& world) {
    Scene scene(world);
    UnitValues values(scene.layout, scene.holders, at::kDouble);
    at::Tensor first = values.value(0), second = values.value(2);
    scene.fill(values, 1);
    values.refresh();
    values.need(0, UnitUse::kNone);
    values.linger(0);
    EXPECT_TRUE(at::equal(first, scene.numbers(0, 1)));
    values.need(1, UnitUse::kNone);
    EXPECT_EQ(first.storage().nbytes(), 0u);
    EXPECT_TRUE(at::equal(second, scene.numbers(2, 1)));
    values.linger(1);
    values.refresh();
    EXPECT_EQ(second.storage().nbytes(), 0u) << "what lingers would be old numbers";
  });
}

// Forward saves the weight, its memory goes and comes back elsewhere, backward reads it.
TEST(UnitValues, SavedForBackwardSurvive) {
  run_ranks(2, [&](Group& world) {
    Scene scene(world);
    UnitValues values(scene.layout, scene.holders, at::kDouble);
    at::Tensor weight = values.value(0).requires_grad_(true);  // [8, 9]
    scene.fill(values, 2);
    values.refresh();
    at::Tensor x = at::arange(9, at::kDouble).view({1, 9}).requires_grad_(true);
    values.need(0, UnitUse::kNone);
    at::Tensor y = at::mm(x, weight.t()).square().sum();
    values.done(0);
    at::Tensor elsewhere = at::full({64}, 3.0, at::kDouble);  // may take the memory that went
    values.need(0, UnitUse::kNone);
    y.backward();
    at::Tensor w = scene.numbers(0, 2), plain = at::arange(9, at::kDouble).view({1, 9});
    at::Tensor expected = 2 * at::mm(at::mm(plain, w.t()), w);
    EXPECT_TRUE(at::equal(x.grad(), expected));
    values.done(0);
  });
}

}  // namespace
}  // namespace sextant::parallel::unit_values_test
