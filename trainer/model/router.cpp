#include "trainer/model/router.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "trainer/kernels/fused_linear.h"
#include "trainer/model/capacity.h"
#include "trainer/model/layers.h"

namespace sextant::trainer {
namespace {

RouterScore score_of(const ExpertSettings& settings) {
  return settings.score() == ExpertSettings::sigmoid ? RouterScore::kSigmoid : RouterScore::kSoftmax;
}

at::ScalarType wide_type(const at::Tensor& x) {
  return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

void sum_over(parallel::Group* group, const at::Tensor& counts) {
  if (group != nullptr && group->size() > 1) group->all_reduce(counts);
}

// How often each expert was chosen in each row. experts [B, T k] to [B, E].
at::Tensor tally(const at::Tensor& experts, int64_t count) {
  return at::zeros({experts.size(0), count}, experts.options())
      .scatter_add_(1, experts, at::ones_like(experts));
}

}  // namespace

Router::Router(const ModelSettings& settings, const std::string& name, ParameterList& parameters,
               const ModelPart& part)
    : settings_(settings.experts()), part_(part) {
  LayerBuilder build{settings, parameters};
  weight_ = &build.matrix(name + ".router.weight", settings_.count(), settings.width());
  weight_->role = Role::kRouter;
  load_ = at::zeros({settings_.count()}, at::TensorOptions().dtype(at::kLong).device(parameters.device()));
  if (settings_.balance_bias_rate() > 0) {
    balance_bias_ = parameters.add_buffer(name + ".router.balance_bias", {settings_.count()});
  }
}

Routing Router::route(const at::Tensor& x, const at::Tensor& order, Stream stream) const {
  ModelPart sharers = stream == Stream::kShards ? part_ : ModelPart();  // of each row
  auto wide = wide_type(x);
  Linear layer{weight_->value.to(wide), at::Tensor(), weight_->sink};
  at::Tensor logits = linear(x.to(wide), layer);  // [B, T, E]
  Routing routing;
  {
    at::NoGradGuard no_gradient;
    at::Tensor preference = router_scores(logits, score_of(settings_));
    if (balance_bias_.defined()) preference = preference + balance_bias_;
    routing.experts = std::get<1>(at::topk(preference, settings_.per_token()));  // [B, T, k]
    if (settings_.capacity_factor() > 0 && order.defined()) {
      routing.kept =
          kept_choices(routing.experts, order, settings_.count(), settings_.capacity_factor(), sharers);
    }
  }
  if (at::GradMode::is_enabled()) logits = under_pressure(logits, pressure(routing.experts, wide, sharers));
  at::Tensor scores = router_scores(logits, score_of(settings_));
  routing.experts = routing.experts.reshape({-1, settings_.per_token()});
  routing.weights = weights_of(scores.reshape({-1, settings_.count()}), routing.experts);
  return routing;
}

// experts [B, T, k].
RouterPressure Router::pressure(const at::Tensor& experts, at::ScalarType type,
                                const ModelPart& sharers) const {
  at::NoGradGuard no_gradient;
  RouterPressure pressure;
  pressure.score = score_of(settings_);
  pressure.z_loss = settings_.z_loss();
  at::Tensor counts = tally(experts.reshape({experts.size(0), -1}), settings_.count());  // [B, E]
  pressure.observed = counts.sum(0);
  pressure.load = load_;
  if (settings_.balance_loss() == 0) return pressure;
  sum_over(sharers.tensor, counts);
  sum_over(sharers.context, counts);
  if (settings_.balance_over() == ExpertSettings::microbatch) {
    counts = counts.sum(0, /*keepdim=*/true).expand({experts.size(0), settings_.count()});
  }
  double weight = settings_.balance_loss() * settings_.count();
  pressure.force = counts.to(type) * weight / counts.sum(1, /*keepdim=*/true);
  return pressure;
}

// scores [N, E], experts [N, k] to [N, k].
at::Tensor Router::weights_of(const at::Tensor& scores, const at::Tensor& experts) const {
  at::Tensor weights = scores.gather(1, experts);
  if (settings_.normalise()) weights = weights / weights.sum(1, /*keepdim=*/true);
  return settings_.weight_scale() == 1 ? weights : weights * settings_.weight_scale();
}

void Router::clear_load() const {
  at::Tensor(load_).zero_();
}

void Router::balance(const at::Tensor& load) const {
  if (!balance_bias_.defined()) return;
  at::NoGradGuard no_gradient;
  // Whole numbers on both sides of the sign: the mean times E against the load times E.
  at::Tensor lack = at::sign(load.sum() - load * load.size(0));  // [E]
  at::Tensor(balance_bias_).add_(lack.to(balance_bias_.options()), settings_.balance_bias_rate());
}

}  // namespace sextant::trainer
