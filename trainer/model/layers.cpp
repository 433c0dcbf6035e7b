#include "trainer/model/layers.h"

#include <cmath>

#include "parallel/base/error.h"

namespace sextant::trainer {
namespace {

Parameter& undecayed(ParameterList& parameters, const std::string& name, int64_t width, Initial initial,
                     parallel::Placement placement) {
  Parameter described;
  described.name = name;
  described.shape = {width};
  described.placement = std::move(placement);
  described.initial = initial;
  described.decay = Decay::kNo;
  described.role = Role::kVector;
  return parameters.add(std::move(described));
}

}  // namespace

Parameter& LayerBuilder::matrix(const std::string& name, int64_t out, int64_t in,
                                parallel::Placement placement) {
  Parameter described;
  described.name = name;
  described.shape = {out, in};
  described.placement = std::move(placement);
  described.initial_std = settings.initial_std();
  return parameters.add(std::move(described));
}

Parameter& LayerBuilder::residual_matrix(const std::string& name, int64_t out, int64_t in,
                                         parallel::Placement placement) {
  Parameter& parameter = matrix(name, out, in, std::move(placement));
  parameter.initial_std = settings.initial_std() / std::sqrt(2.0 * settings.layers());
  return parameter;
}

Parameter& LayerBuilder::norm(const std::string& name, int64_t width) {
  return undecayed(parameters, name, width, Initial::kOnes, {});
}

Parameter& LayerBuilder::bias(const std::string& name, int64_t width, parallel::Placement placement) {
  return undecayed(parameters, name, width, Initial::kZeros, std::move(placement));
}

parallel::Placement cut_over(const parallel::Group* group, int64_t dim) {
  return cut_over(group, dim, group == nullptr ? 1 : group->size());
}

parallel::Placement cut_over(const parallel::Group* group, int64_t dim, int64_t parts) {
  if (group == nullptr) return {};
  expect(group->size() % parts == 0, "every part is held by as many ranks as any other");
  return {{{dim, parts, group->rank().value() * parts / group->size()}}};
}

}  // namespace sextant::trainer
