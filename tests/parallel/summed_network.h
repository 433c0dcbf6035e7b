#pragma once

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <array>
#include <functional>

#include "parallel/gradient_reducer.h"

// A small network whose gradients are summed over ranks, and what they must be.
//
// N rows of all ranks together, C channels, V vocabulary.
namespace sextant::parallel {

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

inline at::Tensor wave(std::vector<int64_t> shape, double start) {
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

inline at::Tensor all_ids() {
  return (at::arange(kRows, at::kLong) * 7 + 3).remainder(kVocabulary);
}

inline std::vector<at::Tensor> reference_gradients() {
  Network network;
  network.loss(all_ids(), Recompute::kNo).backward();
  std::vector<at::Tensor> gradients;
  for (const at::Tensor& weight : network.weights()) {
    gradients.push_back(weight.grad().defined() ? weight.grad() : at::zeros_like(weight));
  }
  return gradients;
}

// Everything between leaves and their sums: as if each leaf were named by its place.
struct Summed {
  Summed(const std::vector<at::Tensor>& values, Group& world, int64_t bucket_bytes, SumRules rules = {},
         at::ScalarType type = at::kDouble, const PartOf& part_of = nullptr)
      : holders(world, held(values), part_of),
        layout(places(values, holders, type), bucket_bytes),
        reducer(values, layout, holders, rules) {}

  static std::vector<HeldTensor> held(const std::vector<at::Tensor>& values) {
    std::vector<HeldTensor> all;
    for (size_t i = 0; i < values.size(); ++i) {
      std::vector<int64_t> shape = values[i].sizes().vec();
      all.push_back({fmt::format("leaf {}", i), {std::vector<int64_t>(shape.size()), shape}});
    }
    return all;
  }
  static std::vector<FlatTensor> places(const std::vector<at::Tensor>& values, const Holders& holders,
                                        at::ScalarType type) {
    std::vector<FlatTensor> all;
    for (size_t i = 0; i < values.size(); ++i) {
      FlatTensor place;
      place.shape = values[i].sizes().vec();
      place.type = type;
      place.set = holders.set_of(i);
      place.ranks = holders.shard_group(holders.set_of(i)).size();
      all.push_back(place);
    }
    return all;
  }

  // The whole sum of a leaf, put together from what the ranks own.
  at::Tensor gradient(size_t leaf) {
    size_t bucket = layout.bucket_of(leaf);
    at::Tensor sums = reducer.gradient(bucket);
    if (!reducer.is_whole(bucket)) {
      Group& group = holders.shard_group(holders.set_of(leaf));
      at::Tensor all = at::empty({group.size(), sums.numel()}, sums.options());
      group.all_gather(all, sums);
      sums = all.view(-1);
    }
    return layout.view(sums, leaf);
  }

  Holders holders;
  BucketLayout layout;
  GradientReducer reducer;
};

// One step: this rank's rows in so many microbatches.
inline void run_step(const Network& network, GradientReducer& reducer, Group& world, int64_t microbatches,
                     Recompute recompute) {
  int64_t rows = kRows / world.size() / microbatches;
  reducer.begin_step(microbatches);
  for (int64_t m = 0; m < microbatches; ++m) {
    int64_t from = (world.rank().value() * microbatches + m) * rows;
    network.loss(all_ids().narrow(0, from, rows), recompute).backward();
  }
}

// All ranks must call.
inline void expect_reference(Summed& summed, const std::string& what) {
  auto wanted = reference_gradients();
  for (size_t i = 0; i < wanted.size(); ++i) {
    double scale = std::max(1.0, wanted[i].abs().max().item<double>());
    double off = (summed.gradient(i) - wanted[i]).abs().max().item<double>();
    EXPECT_LE(off, 1e-12 * scale) << what << ", leaf " << i;
  }
}

inline constexpr std::array kMemories = {GradientMemory::kWhole, GradientMemory::kOwnedAfterwards,
                                         GradientMemory::kOwned};
inline constexpr std::array kMemoryNames = {"Whole", "OwnedAfterwards", "Owned"};

}  // namespace sextant::parallel
