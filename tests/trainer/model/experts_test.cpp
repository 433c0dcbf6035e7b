// The mixture of experts against a plain loop over tokens, and shared out over ranks against one rank.
#include "trainer/model/experts.h"
#include "tests/harness/seatings.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "parallel/group_threads.h"
#include "tests/harness/finite_differences.h"
#include "trainer/model/initialise.h"
#include "trainer/model/model_rules.h"

namespace sextant::trainer::model_experts_test {
namespace {

using testing_harness::wavy;

constexpr int64_t kWidth = 6, kRows = 4, kTime = 4;

ModelSettings mixture(ExpertSettings experts) {
  ModelSettings settings;
  settings.set_width(kWidth);
  settings.set_heads(1);
  settings.set_ffn_width(5);
  settings.set_layers(2);
  settings.set_initial_std(0.6);
  if (experts.count() == 0) experts.set_count(4);
  *settings.mutable_experts() = experts;
  fill_model_defaults(settings, 64);
  return settings;
}

struct Layer {
  ParameterList parameters{{at::kDouble, at::kDouble}, at::kCPU};
  Experts experts;

  explicit Layer(const ModelSettings& settings, const ModelPart& part = {})
      : experts(settings, "blocks.0.experts", parameters, part) {
    initialise(parameters, 5);
  }

  const Parameter& named(const std::string& name) const {
    for (const auto& parameter : parameters) {
      if (parameter->name == "blocks.0.experts" + name) return *parameter;
    }
    throw std::runtime_error("no parameter " + name);
  }
};

at::Tensor swiglu(const at::Tensor& x, const at::Tensor& gate, const at::Tensor& up, const at::Tensor& down) {
  return at::matmul(at::silu(at::matmul(x, gate.t())) * at::matmul(x, up.t()), down.t());
}

// One token after the other, by the definition; autograd through plain operations.
at::Tensor plain(const Layer& layer, const ExpertSettings& settings, const at::Tensor& x) {
  at::Tensor normed = x * at::rsqrt(x.square().mean(-1, true) + 1e-5) * layer.named("_norm.weight").value;
  std::vector<at::Tensor> results;
  for (const at::Tensor& token : normed.reshape({-1, kWidth}).unbind(0)) {
    at::Tensor logits = at::matmul(layer.named(".router.weight").value, token);
    bool sigmoid = settings.score() == ExpertSettings::sigmoid;
    at::Tensor scores = sigmoid ? at::sigmoid(logits) : at::softmax(logits, 0);
    auto [weights, chosen] = at::topk(scores, settings.per_token());
    if (settings.normalise()) weights = weights / weights.sum();
    at::Tensor sum = at::zeros({kWidth}, at::kDouble);
    for (int64_t j = 0; j < settings.per_token(); ++j) {
      auto e = chosen[j].item<int64_t>();
      sum = sum + settings.weight_scale() * weights[j] *
                      swiglu(token, layer.named(".gate.weight").value[e], layer.named(".up.weight").value[e],
                             layer.named(".down.weight").value[e]);
    }
    if (settings.shared() > 0) {
      sum = sum + swiglu(token, layer.named(".shared.gate.weight").value,
                         layer.named(".shared.up.weight").value, layer.named(".shared.down.weight").value);
    }
    results.push_back(sum);
  }
  return at::stack(results).view(x.sizes());
}

at::Tensor input() {
  return wavy({kRows, kTime, kWidth}, 0.4);
}

at::Tensor weigh(const at::Tensor& x) {
  return (x * wavy(x.sizes(), 0.3)).sum();
}

std::vector<at::Tensor> gradients(const Layer& layer, const at::Tensor& loss, const at::Tensor& x) {
  loss.backward();
  std::vector<at::Tensor> all{x.grad().clone()};
  for (const auto& parameter : layer.parameters) {
    at::Tensor grad = parameter->value.grad();
    all.push_back(grad.defined() ? grad.clone() : at::zeros_like(parameter->value));
    parameter->value.mutable_grad().reset();
  }
  return all;
}

ExpertSettings variant(int number) {
  ExpertSettings settings;
  settings.set_balance_loss(0);
  switch (number) {
    case 1:
      settings.set_normalise(false);
      settings.set_shared(2);
      break;
    case 2:
      settings.set_score(ExpertSettings::sigmoid);
      settings.set_weight_scale(2.5);
      settings.set_per_token(3);
      break;
    case 3:
      settings.set_per_token(1);
      settings.set_normalise(false);
      settings.set_count(7);
      settings.set_ffn_width(3);
      break;
    default:
      break;
  }
  return settings;
}

TEST(Experts, EqualAPlainLoopOverTokens) {
  for (int number = 0; number < 4; ++number) {
    ModelSettings settings = mixture(variant(number));
    Layer layer(settings);
    at::Tensor x = input().requires_grad_(true), y = input().requires_grad_(true);
    for (Produced produced : {Produced::kKeep, Produced::kRecompute}) {
      at::Tensor ours = layer.experts.forward(x, {}, produced, Stream::kShards);
      at::Tensor theirs = plain(layer, settings.experts(), y);
      EXPECT_LT((ours - theirs).abs().max().item<double>(), 1e-13) << number;
      x.mutable_grad().reset(), y.mutable_grad().reset();
      auto got = gradients(layer, weigh(ours), x), wanted = gradients(layer, weigh(theirs), y);
      for (size_t i = 0; i < got.size(); ++i) {
        EXPECT_LT((got[i] - wanted[i]).abs().max().item<double>(), 1e-12) << number << " gradient " << i;
      }
    }
    at::NoGradGuard no_gradient;
    EXPECT_LT(
        (layer.experts.forward(x, {}, Produced::kKeep, Stream::kShards) - plain(layer, settings.experts(), x))
            .abs()
            .max()
            .item<double>(),
        1e-13);
  }
}

// Everything at once: balance, z-loss, capacity, shared experts.
ExpertSettings everything() {
  ExpertSettings settings;
  settings.set_balance_loss(0.4);
  settings.set_z_loss(0.1);
  settings.set_capacity_factor(0.8);
  settings.set_balance_bias_rate(0.05);
  settings.set_shared(1);
  return settings;
}

at::Tensor order() {
  return at::arange(kTime, at::kLong).expand({kRows, kTime});
}

// Gradients summed over ranks and put side by side along experts are those of one rank with all rows.
TEST(Experts, SharedOutOverRanksEqualOneRank) {
  ModelSettings settings = mixture(everything());
  Layer alone(settings);
  at::Tensor x = input().requires_grad_(true);
  at::Tensor y = alone.experts.forward(x, order(), Produced::kKeep, Stream::kShards);
  auto expected = gradients(alone, weigh(y), x);
  at::Tensor load = alone.experts.router().load().clone();
  EXPECT_EQ(load.sum().item<int64_t>(), kRows * kTime * 2);
  for (int64_t ranks : {2, 4}) {
    parallel::run_ranks(ranks, [&](parallel::Group& group) {
      ModelPart part;
      part.expert = &group;
      Layer shared(settings, part);
      int64_t rows = kRows / ranks, first = group.rank().value() * rows, own = 4 / ranks;
      at::Tensor mine = input().narrow(0, first, rows).clone().requires_grad_(true);
      at::Tensor here =
          shared.experts.forward(mine, order().narrow(0, first, rows), Produced::kKeep, Stream::kShards);
      EXPECT_LT((here - y.narrow(0, first, rows)).abs().max().item<double>(), 1e-13);
      at::Tensor loss = (here * wavy(y.sizes(), 0.3).narrow(0, first, rows)).sum();
      auto got = gradients(shared, loss, mine);
      EXPECT_LT((got[0] - expected[0].narrow(0, first, rows)).abs().max().item<double>(), 1e-12);
      size_t i = 1;
      for (const auto& parameter : shared.parameters) {
        at::Tensor wanted = expected[i], sum = got[i++];
        if (parameter->placement.cuts.empty()) {
          group.all_reduce(sum);
        } else {
          wanted = wanted.narrow(0, group.rank().value() * own, own);
        }
        EXPECT_LT((sum - wanted).abs().max().item<double>(), 1e-12) << parameter->name;
      }
      at::Tensor all = shared.experts.router().load().clone();
      group.all_reduce(all);
      EXPECT_TRUE(at::equal(all, load));
      shared.experts.router().balance(all);
      at::Tensor mean = load.to(at::kDouble).mean();
      at::Tensor bias = at::sign(mean - load.to(at::kDouble)) * 0.05;
      EXPECT_TRUE(at::equal(shared.experts.router().balance_bias(), bias));
      shared.experts.router().clear_load();
      EXPECT_EQ(shared.experts.router().load().sum().item<int64_t>(), 0);
    });
  }
}

// Rows cut over tensor and context ranks: the balance loss looks at whole rows all the same.
TEST(Experts, CutsOfRowsChangeNothing) {
  for (auto group : {ExpertSettings::row, ExpertSettings::microbatch}) {
    ExpertSettings experts = everything();
    experts.set_balance_over(group);
    ModelSettings settings = mixture(experts);
    Layer alone(settings);
    at::Tensor x = input().requires_grad_(true);
    at::Tensor y = alone.experts.forward(x, order(), Produced::kKeep, Stream::kShards);
    auto expected = gradients(alone, weigh(y), x);
    parallel::run_ranks(4, [&](parallel::Group& world) {
      int64_t rank = world.rank().value();
      auto tensor = world.split(parallel::neighbours(2), "tensor");
      auto context = world.split(parallel::apart_by(2), "context");
      ModelPart part;
      part.tensor = tensor.get();
      part.context = context.get();
      Layer cut(settings, part);
      at::Tensor mine = input().narrow(1, rank, 1).clone().requires_grad_(true);
      at::Tensor here =
          cut.experts.forward(mine, order().narrow(1, rank, 1), Produced::kKeep, Stream::kShards);
      EXPECT_LT((here - y.narrow(1, rank, 1)).abs().max().item<double>(), 1e-13);
      auto got = gradients(cut, (here * wavy(y.sizes(), 0.3).narrow(1, rank, 1)).sum(), mine);
      EXPECT_LT((got[0] - expected[0].narrow(1, rank, 1)).abs().max().item<double>(), 1e-12);
      for (size_t i = 1; i < got.size(); ++i) {
        world.all_reduce(got[i]);
        EXPECT_LT((got[i] - expected[i]).abs().max().item<double>(), 1e-12) << "gradient " << i;
      }
    });
  }
}

TEST(Experts, TheBiasMovesChoicesButNotWeights) {
  ExpertSettings experts = variant(2);
  experts.set_balance_bias_rate(0.1);
  experts.set_per_token(1);
  experts.set_normalise(false);
  Layer layer(mixture(experts));
  at::Tensor x = input();
  Routing before = layer.experts.router().route(x, {}, Stream::kShards);
  at::NoGradGuard no_gradient;
  at::Tensor bias = layer.experts.router().balance_bias();
  bias[2] = 10;
  Routing after = layer.experts.router().route(x, {}, Stream::kShards);
  EXPECT_TRUE((after.experts == 2).all().item<bool>());
  at::Tensor logits = at::matmul(x, layer.named(".router.weight").value.t()).view({-1, 4});
  EXPECT_LT((after.weights - 2.5 * at::sigmoid(logits).narrow(1, 2, 1)).abs().max().item<double>(), 1e-14);
  EXPECT_FALSE((before.experts == 2).all().item<bool>());
}

}  // namespace
}  // namespace sextant::trainer::model_experts_test
