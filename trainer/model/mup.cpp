#include "trainer/model/mup.h"

#include <cmath>

#include "trainer/model/model_rules.h"

namespace sextant::trainer {
namespace {

bool has_mup(const ModelSettings& settings) {
  return settings.mup().base_width() > 0;
}

}  // namespace

double width_ratio(const ModelSettings& settings) {
  return has_mup(settings) ? static_cast<double>(settings.width()) / settings.mup().base_width() : 1.0;
}

void scale_by_mup(const ModelSettings& settings, Parameter& parameter) {
  double ratio = width_ratio(settings);
  switch (parameter.role) {
    case Role::kHidden:
      parameter.initial_std /= std::sqrt(ratio);
      parameter.learning_rate_scale /= ratio;
      break;
    case Role::kRouter:
      parameter.initial_std /= ratio;
      parameter.learning_rate_scale /= ratio;
      break;
    case Role::kEmbedding:
    case Role::kOutput:
    case Role::kVector:
      break;
  }
}

double output_multiplier(const ModelSettings& settings) {
  return 1 / width_ratio(settings);
}

double query_multiplier(const ModelSettings& settings) {
  if (!has_mup(settings)) return 1.0;
  return std::sqrt(static_cast<double>(settings.mup().base_head_width()) /
                   static_cast<double>(head_width(settings)));
}

double folded_multiplier(const ModelSettings& settings, const std::string& parameter) {
  if (parameter.starts_with("final_norm.")) return output_multiplier(settings);
  bool query = settings.qk_norm()
                   ? parameter.ends_with(".query_norm.weight")
                   : parameter.ends_with(".query.weight") || parameter.ends_with(".query.bias");
  return query ? query_multiplier(settings) : 1.0;
}

}  // namespace sextant::trainer
