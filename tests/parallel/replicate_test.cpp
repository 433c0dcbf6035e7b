#include "parallel/replicate.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <functional>
#include <stdexcept>

#include "parallel/group_threads.h"

// N rows of all ranks together, C channels, V vocabulary.
namespace sextant::parallel {
namespace {

constexpr int64_t kRows = 16, kChannels = 6, kVocabulary = 10;

// How the second layer is computed: as written, or by a backward within the backward.
enum class Recompute { kNo, kYes };

using Layer = std::function<at::Tensor(const at::Tensor&)>;

// Forward without a graph; backward computes it again with one, and walks that by a backward of its own.
class Recomputed : public torch::autograd::Function<Recomputed> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& input,
                            int64_t layer) {
    context->saved_data["layer"] = layer;
    context->save_for_backward({input});
    return (*reinterpret_cast<const Layer*>(layer))(input);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto& layer = *reinterpret_cast<const Layer*>(context->saved_data["layer"].toInt());
    at::AutoGradMode with_graph(true);
    at::Tensor input = context->get_saved_variables()[0].detach().requires_grad_(true);
    torch::autograd::backward({layer(input)}, {gradients[0]});
    return {input.grad(), at::Tensor()};
  }
};

at::Tensor wave(std::vector<int64_t> shape, double start) {
  int64_t count = c10::multiply_integers(shape);
  return at::sin(at::arange(count, at::kDouble) * 0.7 + start).view(shape);
}

// Tied embedding, two layers, one weight that no forward uses, and one used twice.
struct Network {
  explicit Network(at::ScalarType type = at::kDouble) {
    auto weight = [&](std::vector<int64_t> shape, double start) {
      return wave(std::move(shape), start).to(type).requires_grad_(true);
    };
    embedding = weight({kVocabulary, kChannels}, 0.1);  // [V, C]
    first = weight({kChannels, kChannels}, 0.2);        // [C, C]
    second = weight({kChannels, kChannels}, 0.3);       // [C, C]
    unused = weight({3}, 0.4);
    scale = weight({kChannels}, 0.5);  // [C]
    layer = [this](const at::Tensor& x) { return at::tanh(at::matmul(x, second)) * scale; };
  }

  std::vector<at::Tensor> weights() const { return {embedding, first, unused, second, scale}; }
  std::vector<TrainedLeaf> leaves(at::ScalarType sum = at::kDouble) const {
    std::vector<TrainedLeaf> all;
    for (const at::Tensor& value : weights()) all.push_back({value, sum});
    return all;
  }

  // A sum over rows, so that any cut of the rows adds up to the same.
  at::Tensor loss(const at::Tensor& ids, Recompute recompute) const {
    at::Tensor x = at::embedding(embedding, ids) * scale;  // [N, C]
    x = at::tanh(at::matmul(x, first));
    x = recompute == Recompute::kYes ? Recomputed::apply(x, reinterpret_cast<int64_t>(&layer)) : layer(x);
    at::Tensor logits = at::matmul(x, embedding.t());  // [N, V]
    return -at::log_softmax(logits, -1).gather(1, ids.unsqueeze(1)).sum();
  }

  at::Tensor embedding, first, second, unused, scale;
  Layer layer;
};

at::Tensor all_ids() {
  return (at::arange(kRows, at::kLong) * 7 + 3).remainder(kVocabulary);
}

std::vector<at::Tensor> reference_gradients() {
  Network network;
  network.loss(all_ids(), Recompute::kNo).backward();
  std::vector<at::Tensor> gradients;
  for (const at::Tensor& weight : network.weights()) {
    gradients.push_back(weight.grad().defined() ? weight.grad() : at::zeros_like(weight));
  }
  return gradients;
}

// One step: this rank's rows in so many microbatches.
void run_step(const Network& network, GradientReducer& reducer, Group& world, int64_t microbatches,
              Recompute recompute) {
  int64_t rows = kRows / world.size() / microbatches;
  for (int64_t m = 0; m < microbatches; ++m) {
    reducer.begin(m + 1 < microbatches ? Microbatch::kEarlier : Microbatch::kLast);
    int64_t from = (world.rank().value() * microbatches + m) * rows;
    network.loss(all_ids().narrow(0, from, rows), recompute).backward();
  }
}

void expect_reference(const GradientReducer& reducer, const std::string& what) {
  auto wanted = reference_gradients();
  for (size_t i = 0; i < wanted.size(); ++i) {
    double scale = std::max(1.0, wanted[i].abs().max().item<double>());
    double off = (reducer.gradient(i) - wanted[i]).abs().max().item<double>();
    EXPECT_LE(off, 1e-12 * scale) << what << ", leaf " << i;
  }
}

struct Case {
  int64_t ranks, microbatches, bucket_bytes;
  Recompute recompute;

  std::string name() const {
    return fmt::format("Ranks{}Microbatches{}Bytes{}{}", ranks, microbatches, bucket_bytes,
                       recompute == Recompute::kYes ? "Recomputed" : "");
  }
  friend void PrintTo(const Case& which, std::ostream* out) { *out << which.name(); }
};

class Replicate : public testing::TestWithParam<Case> {};

TEST_P(Replicate, AnyNumberOfRanksGivesTheGradientOfOne) {
  Case c = GetParam();
  run_ranks(c.ranks, [&](Group& world) {
    Network network;
    GradientReducer reducer(network.leaves(), c.bucket_bytes, world);
    for (int step = 0; step < 3; ++step) {
      run_step(network, reducer, world, c.microbatches, c.recompute);
      EXPECT_GE(reducer.finish(), 0.0);
      expect_reference(reducer, fmt::format("rank {} step {}", world.rank().value(), step));
      for (const at::Tensor& weight : network.weights()) EXPECT_FALSE(weight.grad().defined());
    }
  });
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (int64_t ranks : {1, 2, 4}) {
    for (int64_t microbatches : {1, 2}) {
      for (int64_t bucket_bytes : {64, 400, 1 << 20}) {
        for (Recompute recompute : {Recompute::kNo, Recompute::kYes}) {
          all.push_back({ranks, microbatches, bucket_bytes, recompute});
        }
      }
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Layouts, Replicate, testing::ValuesIn(cases()),
                         [](const auto& which) { return which.param.name(); });

// Leaves in forward order, backward fills the last ones first: all but the one that is never used.
TEST(ReplicateOverlap, BucketsStartUnderBackwardOnceCountsAreKnown) {
  run_ranks(2, [](Group& world) {
    Network network;
    auto leaves = network.leaves();
    std::swap(leaves[0], leaves[2]);  // the unused one first, so it is in the last bucket
    GradientReducer reducer(leaves, 64, world);
    run_step(network, reducer, world, 1, Recompute::kYes);
    EXPECT_EQ(reducer.started(), 0u) << "nothing is known in the very first microbatch";
    reducer.finish();
    run_step(network, reducer, world, 1, Recompute::kYes);
    EXPECT_EQ(reducer.started(), 4u) << "of 5: the last one holds the weight that is never used";
    reducer.finish();
    EXPECT_EQ(reducer.started(), 0u);
  });
}

TEST(ReplicateOverlap, AnEarlierMicrobatchTeachesTheLast) {
  run_ranks(2, [](Group& world) {
    Network network;
    auto leaves = network.leaves();
    std::swap(leaves[0], leaves[2]);
    GradientReducer reducer(leaves, 64, world);
    run_step(network, reducer, world, 2, Recompute::kNo);
    EXPECT_EQ(reducer.started(), 4u);
    reducer.finish();
  });
}

// Counts learnt without recompute are too low with it: the second arrival finds its bucket under way.
TEST(ReplicateOverlap, AGradientThatComesOnceMoreIsNotLost) {
  for (int64_t who_recomputes : {0, 1, 2}) {  // rank 0, rank 1, both
    run_ranks(2, [&](Group& world) {
      Network network;
      GradientReducer reducer(network.leaves(), 64, world);
      bool mine = who_recomputes == 2 || who_recomputes == world.rank().value();
      run_step(network, reducer, world, 1, Recompute::kNo);
      reducer.finish();
      for (int step = 0; step < 2; ++step) {
        run_step(network, reducer, world, 1, mine ? Recompute::kYes : Recompute::kNo);
        reducer.finish();
        expect_reference(reducer, fmt::format("recompute on {} step {}", who_recomputes, step));
      }
    });
  }
}

TEST(Replicate, Bfloat16ValuesAreSummedInFp32) {
  run_ranks(2, [](Group& world) {
    at::Tensor value = at::ones({1}, at::kBFloat16).requires_grad_(true);
    GradientReducer reducer({{value, at::kFloat}}, 1024, world);
    // 1 + 2^-8 is no bfloat16, each part is.
    for (double part : {1.0, 1.0 / 256}) {
      reducer.begin(part == 1.0 ? Microbatch::kEarlier : Microbatch::kLast);
      (value * part).sum().backward();
    }
    reducer.finish();
    EXPECT_EQ(reducer.gradient(0).item<float>(), 2.0f + 2.0f / 256);
  });
}

TEST(Replicate, AWeightUnusedInOneStepHasGradientZero) {
  run_ranks(2, [](Group& world) {
    at::Tensor a = at::ones({2}).requires_grad_(true), b = at::ones({2}).requires_grad_(true);
    GradientReducer reducer({{a, at::kFloat}, {b, at::kFloat}}, 64, world);
    for (int step = 0; step < 4; ++step) {
      reducer.begin(Microbatch::kLast);
      // Rank 0 never uses b in odd steps, rank 1 neither in step 3.
      bool uses_b = step % 2 == 0 || (world.rank() == Rank(1) && step == 1);
      (uses_b ? (a * 3 + b * 5).sum() : (a * 3).sum()).backward();
      reducer.finish();
      double users = step % 2 == 0 ? 2 : (step == 1 ? 1 : 0);
      EXPECT_EQ(reducer.gradient(0)[0].item<double>(), 6.0);
      EXPECT_EQ(reducer.gradient(1)[1].item<double>(), 5.0 * users) << "step " << step;
    }
  });
}

TEST(Replicate, CallsOutOfOrderAreBugs) {
  auto alone = single_rank_group();
  at::Tensor value = at::ones({2}).requires_grad_(true);
  GradientReducer reducer({{value, at::kFloat}}, 64, *alone);
  EXPECT_THROW(reducer.finish(), std::logic_error);
  EXPECT_THROW(value.sum().backward(), std::logic_error) << "a backward before begin()";
  reducer.begin(Microbatch::kLast);
  EXPECT_THROW(reducer.begin(Microbatch::kLast), std::logic_error);
}

TEST(Replicate, HooksGoWithTheReducer) {
  auto alone = single_rank_group();
  at::Tensor value = at::ones({2}).requires_grad_(true);
  { GradientReducer reducer({{value, at::kFloat}}, 64, *alone); }
  value.sum().backward();
  EXPECT_TRUE(value.grad().defined());
}

TEST(Replicate, DifferentWeightsAreRefused) {
  auto body = [](Group& world) {
    at::Tensor value = at::ones({world.rank().value() * 100 + 1}).requires_grad_(true);
    GradientReducer reducer({{value, at::kFloat}}, 64, world);
  };
  EXPECT_THROW(run_ranks(2, body), std::logic_error);
}

}  // namespace
}  // namespace sextant::parallel
