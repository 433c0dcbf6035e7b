#pragma once

#include <torch/csrc/autograd/custom_function.h>

#include <vector>

#include "parallel/gradient_sink.h"
#include "trainer/kernels/linear.h"
#include "trainer/kernels/tensor_share.h"

namespace sextant::trainer {

// Where layers' gradients go and who shares the layers, carried from forward to backward by autograd's
// context.
struct Carried : torch::CustomClassHolder {
  std::vector<parallel::GradientSink*> weight_sinks, bias_sinks;
  TensorShare share;
};

void carry(torch::autograd::AutogradContext* context, const std::vector<Linear>& layers, TensorShare share);
c10::intrusive_ptr<Carried> carried_by(torch::autograd::AutogradContext* context);

}  // namespace sextant::trainer
