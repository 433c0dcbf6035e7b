#include "trainer/scaling/fitted_law.h"

#include <cmath>
#include <utility>

#include "parallel/base/error.h"

namespace sextant::trainer {

namespace {

std::vector<Parameters> starts_of(ScalingForm form, const LogPoints& points) {
  if (form == ScalingForm::kChinchilla) return chinchilla_starts();
  if (form == ScalingForm::kKaplan) return joined_starts(points);
  return one_power_starts(law_of(form), points);
}

}  // namespace

FittedLaw fit_law(const LogPoints& points, const FitSettings& settings) {
  const PowerLaw law = law_of(settings.form);
  std::vector<Parameters> starts = starts_of(settings.form, points);
  FittedLaw fitted;
  fitted.points = points.size();
  fitted.starts = starts.size();
  fitted.best = fit(law, points, starts, settings.threads);
  fitted.values = named(settings.form, fitted.best.at);
  fitted.at_bound = at_bound(settings.form, fitted.best.at);
  auto draws = bootstrap(law, points, fitted.best.at, settings.draws, settings.seed, settings.threads);
  for (size_t i = 0; i < fitted.values.size() && !draws.empty(); ++i) {
    std::vector<double> values;
    values.reserve(draws.size());
    for (const Parameters& draw : draws) values.push_back(named(settings.form, draw)[i].value);
    fitted.intervals.push_back(middle_95(std::move(values)));
  }
  if (!settings.place) return fitted;
  fitted.prediction = std::exp(law.log_value(fitted.best.at, settings.place->data()));
  std::vector<double> values;
  values.reserve(draws.size());
  for (const Parameters& draw : draws)
    values.push_back(std::exp(law.log_value(draw, settings.place->data())));
  if (!values.empty()) fitted.prediction_interval = middle_95(std::move(values));
  return fitted;
}

const char* form_name(ScalingForm form) {
  switch (form) {
    case ScalingForm::kChinchilla:
      return "chinchilla";
    case ScalingForm::kKaplan:
      return "kaplan";
    case ScalingForm::kLoss:
      return "loss";
    case ScalingForm::kCapability:
      return "capability";
  }
  expect(false, "every form has a name");
  return "";
}

const char* form_formula(ScalingForm form) {
  switch (form) {
    case ScalingForm::kChinchilla:
      return "L(N, D) = E + A / N^alpha + B / D^beta";
    case ScalingForm::kKaplan:
      return "L(N, D) = [(A / N^alpha)^(1/beta) + B^(1/beta) / D]^beta";
    case ScalingForm::kLoss:
      return "L(C) = a C^b + c";
    case ScalingForm::kCapability:
      return "-E[log pass rate](C) = alpha C^-k";
  }
  expect(false, "every form has a formula");
  return "";
}

}  // namespace sextant::trainer
