#include "trainer/model/layers.h"

#include <cmath>

namespace sextant::trainer {
namespace {

Parameter& undecayed(ParameterList& parameters, const std::string& name, int64_t width, Initial initial) {
  Parameter described;
  described.name = name;
  described.shape = {width};
  described.initial = initial;
  described.decay = Decay::kNo;
  return parameters.add(std::move(described));
}

}  // namespace

Parameter& LayerBuilder::matrix(const std::string& name, int64_t out, int64_t in) {
  Parameter described;
  described.name = name;
  described.shape = {out, in};
  described.initial_std = settings.initial_std();
  return parameters.add(std::move(described));
}

Parameter& LayerBuilder::residual_matrix(const std::string& name, int64_t out, int64_t in) {
  Parameter& parameter = matrix(name, out, in);
  parameter.initial_std = settings.initial_std() / std::sqrt(2.0 * settings.layers());
  return parameter;
}

Parameter& LayerBuilder::norm(const std::string& name, int64_t width) {
  return undecayed(parameters, name, width, Initial::kOnes);
}

Parameter& LayerBuilder::bias(const std::string& name, int64_t width) {
  return undecayed(parameters, name, width, Initial::kZeros);
}

}  // namespace sextant::trainer
