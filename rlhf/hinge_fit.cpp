#include "rlhf/hinge_fit.h"

#include <algorithm>
#include <cmath>

#include "parallel/base/error.h"

namespace sextant::rlhf {
namespace {

constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kEpsilon = 1e-8;

// A better answer and a worse one: their difference.
struct Pair {
  std::vector<double> features;  // [F] better less worse
  double base = 0;
};

std::vector<Pair> pairs_among(const ComparedFeatures& prompts) {
  std::vector<Pair> pairs;
  for (const auto& answers : prompts) {
    for (const RankedFeatures& better : answers) {
      for (const RankedFeatures& worse : answers) {
        if (better.rank >= worse.rank) continue;
        Pair& pair = pairs.emplace_back(Pair{better.features, better.base - worse.base});
        for (size_t f = 0; f < pair.features.size(); ++f) pair.features[f] -= worse.features[f];
      }
    }
  }
  return pairs;
}

double lead_of(const Pair& pair, const std::vector<double>& weights) {
  double lead = pair.base;
  for (size_t f = 0; f < weights.size(); ++f) lead += weights[f] * pair.features[f];
  return lead;
}

std::vector<double> gradient_of(const std::vector<Pair>& pairs, const std::vector<double>& weights,
                                double margin) {
  std::vector<double> gradient(weights.size());
  for (const Pair& pair : pairs) {
    if (margin - lead_of(pair, weights) <= 0) continue;
    for (size_t f = 0; f < weights.size(); ++f)
      gradient[f] -= pair.features[f] / static_cast<double>(pairs.size());
  }
  return gradient;
}

}  // namespace

HingeReport hinge_report(const ComparedFeatures& prompts, const std::vector<double>& weights, double margin) {
  HingeReport report;
  for (const Pair& pair : pairs_among(prompts)) {
    double lead = lead_of(pair, weights);
    report.loss += std::max(0.0, margin - lead);
    report.accuracy += lead > 0 ? 1 : lead == 0 ? 0.5 : 0;
    report.pairs += 1;
  }
  if (report.pairs == 0) return report;
  report.loss /= report.pairs;
  report.accuracy /= report.pairs;
  return report;
}

std::vector<double> fit_hinge(const ComparedFeatures& prompts, const RubricFitSettings& settings) {
  std::vector<Pair> pairs = pairs_among(prompts);
  expect(!pairs.empty(), "something to compare");
  std::vector<double> weights(pairs[0].features.size()), mean(weights.size()), square(weights.size());
  double rate = settings.learning_rate();
  for (int64_t step = 1; step <= settings.steps(); ++step) {
    std::vector<double> gradient = gradient_of(pairs, weights, settings.margin());
    double unbiased1 = 1 - std::pow(kBeta1, static_cast<double>(step));
    double unbiased2 = 1 - std::pow(kBeta2, static_cast<double>(step));
    for (size_t f = 0; f < weights.size(); ++f) {
      mean[f] = kBeta1 * mean[f] + (1 - kBeta1) * gradient[f];
      square[f] = kBeta2 * square[f] + (1 - kBeta2) * gradient[f] * gradient[f];
      weights[f] *= 1 - rate * settings.weight_decay();
      weights[f] -= rate * (mean[f] / unbiased1) / (std::sqrt(square[f] / unbiased2) + kEpsilon);
    }
  }
  return weights;
}

}  // namespace sextant::rlhf
