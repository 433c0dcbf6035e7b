#include "trainer/model/parameter.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace sextant::trainer {

Parameter& ParameterList::add(Parameter described) {
  auto parameter = std::make_unique<Parameter>(std::move(described));
  auto options = at::TensorOptions().dtype(precision_.master).device(device_);
  parameter->master = at::empty(parameter->slice().shape, options);
  // A value of the same type shares the master's memory: the optimizer's update is seen by forward at once.
  parameter->value = precision_.compute == precision_.master
                         ? parameter->master.detach()
                         : at::empty(parameter->master.sizes(), options.dtype(precision_.compute));
  parameter->value.requires_grad_(true);
  parameters_.push_back(std::move(parameter));
  return *parameters_.back();
}

at::Tensor ParameterList::add_buffer(const std::string& name, const std::vector<int64_t>& shape) {
  auto options = at::TensorOptions().dtype(precision_.master).device(device_);
  buffers_.push_back({name, at::zeros(shape, options)});
  return buffers_.back().numbers;
}

int64_t ParameterList::elements() const {
  int64_t count = 0;
  for (const auto& parameter : parameters_) {
    int64_t elements = 1;
    for (int64_t extent : parameter->shape) elements *= extent;
    count += elements;
  }
  return count;
}

void ParameterList::refresh_values() const {
  if (precision_.compute == precision_.master) return;
  at::NoGradGuard no_gradient;
  for (const auto& parameter : parameters_) parameter->value.copy_(parameter->master);
}

}  // namespace sextant::trainer
