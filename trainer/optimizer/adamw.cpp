#include "trainer/optimizer/adamw.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "trainer/kernels/adamw.h"

namespace sextant::trainer {

AdamW::AdamW(const OptimizerSettings& settings, const ParameterList& parameters) : settings_(settings) {
  groups_ = {{settings.weight_decay(), {}, {}, {}}, {0.0, {}, {}, {}}};
  for (const auto& parameter : parameters) {
    DecayGroup& group = groups_[parameter->decay == Decay::kYes ? 0 : 1];
    group.parameters.push_back(parameter.get());
    group.first_moments.push_back(at::zeros_like(parameter->master));
    group.second_moments.push_back(at::zeros_like(parameter->master));
  }
}

void AdamW::update(double learning_rate, double gradient_scale) {
  at::NoGradGuard no_gradient;
  ++updates_;
  for (DecayGroup& group : groups_) {
    if (group.parameters.empty()) continue;
    std::vector<AdamWTensors> tensors;
    for (size_t i = 0; i < group.parameters.size(); ++i) {
      const Parameter& parameter = *group.parameters[i];
      at::Tensor copy = parameter.value.is_alias_of(parameter.master) ? at::Tensor() : parameter.value;
      tensors.push_back(
          {parameter.master, parameter.grad, group.first_moments[i], group.second_moments[i], copy});
    }
    if (fits_adamw(tensors)) {
      AdamWConstants constants{learning_rate, settings_.beta1(), settings_.beta2(), group.weight_decay,
                               settings_.epsilon()};
      adamw(tensors, constants, updates_, gradient_scale);
    } else {
      update_through_aten(group, learning_rate, gradient_scale);
    }
  }
}

void AdamW::update_through_aten(DecayGroup& group, double learning_rate, double gradient_scale) {
  std::vector<at::Tensor> masters, grads;
  for (const Parameter* parameter : group.parameters) {
    masters.push_back(parameter->master);
    grads.push_back(parameter->grad);
  }
  if (gradient_scale != 1.0) at::_foreach_mul_(grads, gradient_scale);
  at::Tensor count = at::full({}, static_cast<double>(updates_), at::TensorOptions().dtype(at::kFloat));
  std::vector<at::Tensor> counts(masters.size(), count.to(masters[0].device()));
  at::_fused_adamw_(masters, grads, group.first_moments, group.second_moments, {}, counts, learning_rate,
                    settings_.beta1(), settings_.beta2(), group.weight_decay, settings_.epsilon(), false,
                    false);
  for (const Parameter* parameter : group.parameters) {
    if (!parameter->value.is_alias_of(parameter->master)) parameter->value.copy_(parameter->master);
  }
}

std::vector<OptimizerTensor> AdamW::state() const {
  std::vector<OptimizerTensor> tensors;
  for (const DecayGroup& group : groups_) {
    for (size_t i = 0; i < group.parameters.size(); ++i) {
      const Parameter* parameter = group.parameters[i];
      tensors.push_back({"optimizer/first_moment/" + parameter->name, parameter, group.first_moments[i]});
      tensors.push_back({"optimizer/second_moment/" + parameter->name, parameter, group.second_moments[i]});
    }
  }
  return tensors;
}

}  // namespace sextant::trainer
