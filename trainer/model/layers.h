#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "parallel/group.h"
#include "trainer/kernels/linear.h"
#include "trainer/kernels/norm.h"
#include "trainer/model/model.pb.h"
#include "trainer/model/parameter.h"

namespace sextant::trainer {

// Registers the kinds of weights that every layer is made of, with how each starts and whether it decays.
struct LayerBuilder {
  const ModelSettings& settings;
  ParameterList& parameters;

  // [out, in], normal with initial_std.
  Parameter& matrix(const std::string& name, int64_t out, int64_t in, parallel::Placement placement = {});
  // The same for a layer that writes to the residual stream: divided by sqrt(2 layers), so that the stream's
  // variance does not grow with depth (Radford et al. 2019, section 2.3).
  Parameter& residual_matrix(const std::string& name, int64_t out, int64_t in,
                             parallel::Placement placement = {});
  Parameter& norm(const std::string& name, int64_t width);                                      // ones
  Parameter& bias(const std::string& name, int64_t width, parallel::Placement placement = {});  // zeros
};

// A dim in as many parts as the group has ranks, rank r's part being here; whole where the group is null.
parallel::Placement cut_over(const parallel::Group* group, int64_t dim);
// The same in fewer parts, which the ranks' number is a multiple of: neighbours hold the same one.
parallel::Placement cut_over(const parallel::Group* group, int64_t dim, int64_t parts);

// The parameter's value, or an undefined tensor where the model has none.
inline at::Tensor value_of(const Parameter* parameter) {
  return parameter == nullptr ? at::Tensor() : parameter->value;
}

// A linear layer as the kernels want it; bias null where the model has none.
inline Linear linear_of(const Parameter& weight, const Parameter* bias) {
  return {weight.value, value_of(bias), weight.sink, bias == nullptr ? nullptr : bias->sink};
}

inline NormSinks norm_sinks(const Parameter& weight, const Parameter* bias) {
  return {weight.sink, bias == nullptr ? nullptr : bias->sink};
}

}  // namespace sextant::trainer
