#pragma once

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "parallel/group.h"

// Gradients of what ranks compute together, against central differences in fp64.
namespace sextant::testing_harness {

// Whether each rank's tensor is one of its own, or all hold the same one and their gradients add up.
enum class Held { kApart, kInCommon };
// Whether the ranks' losses add up, or each has the same one, which counts once.
enum class Losses { kAddUp, kAreOne };

struct JointInput {
  at::Tensor value;
  Held held = Held::kApart;
};

using JointLoss = std::function<at::Tensor(const std::vector<at::Tensor>&)>;

class JointDifferences {
 public:
  JointDifferences(JointLoss loss, std::vector<JointInput> inputs, parallel::Group& group, Losses losses)
      : loss_(std::move(loss)), inputs_(std::move(inputs)), group_(group), losses_(losses) {
    for (JointInput& input : inputs_) values_.push_back(input.value.detach().clone().requires_grad_(true));
  }

  // All ranks call. The step 1e-5 leaves errors of 1e-10 of third derivatives and 1e-11 of rounding.
  void check(double tolerance = 1e-7) {
    loss_(values_).backward();
    at::NoGradGuard no_gradient;
    for (size_t i = 0; i < values_.size(); ++i) {
      ASSERT_TRUE(values_[i].grad().defined()) << "input " << i;
      at::Tensor gradient = values_[i].grad().clone();
      bool common = inputs_[i].held == Held::kInCommon;
      if (common) group_.all_reduce(gradient);
      for (int64_t who = 0; who < (common ? 1 : group_.size()); ++who) {
        bool moves = common || group_.rank() == Rank(who);
        for (int64_t element = 0; element < gradient.numel(); ++element) {
          double slope = difference(i, element, moves);
          if (!moves) continue;
          EXPECT_NEAR(gradient.view({-1})[element].item<double>(), slope, tolerance)
              << "input " << i << " of rank " << who << ", element " << element;
        }
      }
    }
  }

 private:
  static constexpr double kStep = 1e-5;

  double total() {
    double own = loss_(values_).item<double>();
    double sum = parallel::reduce_numbers(group_, {own})[0];
    return losses_ == Losses::kAddUp ? sum : sum / static_cast<double>(group_.size());
  }

  double difference(size_t input, int64_t element, bool moves) {
    at::Tensor flat = values_[input].detach().view({-1});
    double original = flat[element].item<double>();
    if (moves) flat[element] = original + kStep;
    double above = total();
    if (moves) flat[element] = original - kStep;
    double below = total();
    if (moves) flat[element] = original;
    return (above - below) / (2 * kStep);
  }

  JointLoss loss_;
  std::vector<JointInput> inputs_;
  parallel::Group& group_;
  Losses losses_;
  std::vector<at::Tensor> values_;
};

}  // namespace sextant::testing_harness
