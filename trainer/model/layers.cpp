#include "trainer/model/layers.h"

#include <cmath>

namespace sextant::trainer {

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
  Parameter described;
  described.name = name;
  described.shape = {width};
  described.initial = Initial::kOnes;
  described.decay = Decay::kNo;
  return parameters.add(std::move(described));
}

Parameter& LayerBuilder::bias(const std::string& name, int64_t width) {
  Parameter described;
  described.name = name;
  described.shape = {width};
  described.initial = Initial::kZeros;
  described.decay = Decay::kNo;
  return parameters.add(std::move(described));
}

}  // namespace sextant::trainer
