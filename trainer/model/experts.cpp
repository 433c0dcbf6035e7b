#include "trainer/model/experts.h"

#include <ATen/ATen.h>

#include <cmath>

#include "parallel/expert_dispatch.h"
#include "trainer/kernels/expert_rows.h"
#include "trainer/kernels/norm.h"
#include "trainer/model/layers.h"
#include "trainer/model/model_rules.h"

namespace sextant::trainer {
namespace {

// All experts' matrices, [E, out, in], of which this rank has its own.
Parameter& stacked(ParameterList& parameters, const std::string& name, std::vector<int64_t> shape,
                   double initial_std, parallel::Group* owners) {
  Parameter described;
  described.name = name;
  described.shape = std::move(shape);
  described.initial_std = initial_std;
  if (owners != nullptr && owners->size() > 1)
    described.placement.cuts = {{0, owners->size(), owners->rank().value()}};
  return parameters.add(std::move(described));
}

}  // namespace

Experts::Experts(const ModelSettings& settings, const std::string& name, ParameterList& parameters,
                 const ModelPart& part)
    : epsilon_(settings.norm_epsilon()),
      owners_(part.expert),
      norm_weight_(&LayerBuilder{settings, parameters}.norm(name + "_norm.weight", settings.width())),
      router_(settings, name, parameters, part) {
  const ExpertSettings& experts = settings.experts();
  int64_t count = experts.count(), width = settings.width(), hidden = expert_width(settings);
  double spread = settings.initial_std(), residual = spread / std::sqrt(2.0 * settings.layers());
  gate_ = &stacked(parameters, name + ".gate.weight", {count, hidden, width}, spread, owners_);
  up_ = &stacked(parameters, name + ".up.weight", {count, hidden, width}, spread, owners_);
  down_ = &stacked(parameters, name + ".down.weight", {count, width, hidden}, residual, owners_);
  if (experts.shared() == 0) return;
  LayerBuilder build{settings, parameters};
  int64_t joint = experts.shared() * hidden;
  shared_ = {&build.matrix(name + ".shared.gate.weight", joint, width),
             &build.matrix(name + ".shared.up.weight", joint, width),
             &build.residual_matrix(name + ".shared.down.weight", width, joint)};
}

at::Tensor Experts::forward(const at::Tensor& x, const at::Tensor& order, Produced produced,
                            Stream stream) const {
  at::Tensor normed = norm(x, norm_weight_->value, at::Tensor(), epsilon_);  // [B, T, C]
  at::Tensor y = routed(normed, order, produced, stream);
  if (!shared_) return y;
  at::Tensor gate = linear(normed, linear_of(*shared_->gate, nullptr));  // [B, T, F shared]
  at::Tensor up = linear(normed, linear_of(*shared_->up, nullptr));
  return y + activation_linear(gate, up, linear_of(*shared_->down, nullptr), produced);
}

at::Tensor Experts::routed(const at::Tensor& normed, const at::Tensor& order, Produced produced,
                           Stream stream) const {
  Routing routing = router_.route(normed, order, stream);
  ExpertRows places = sort_by_expert(routing.experts, router_.load().size(0), routing.kept);
  at::Tensor rows = spread(normed.reshape({-1, normed.size(-1)}), places);  // [M, C]
  ExpertWeights weights{gate_->value, up_->value, down_->value, gate_->sink, up_->sink, down_->sink};
  if (owners_ == nullptr) {
    const int64_t* counts = places.counts.const_data_ptr<int64_t>();
    rows = grouped_feed_forward(rows, {counts, counts + places.counts.numel()}, weights, produced);
  } else {
    parallel::ExpertDispatch dispatch(*owners_, places.counts);
    at::Tensor here = dispatch.to_owners(rows);  // [M', C]
    rows = dispatch.from_owners(grouped_feed_forward(here, dispatch.received(), weights, produced));
  }
  return combine(rows, routing.weights, places).view(normed.sizes());
}

}  // namespace sextant::trainer
