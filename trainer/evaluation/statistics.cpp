#include "trainer/evaluation/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <utility>

#include "parallel/base/error.h"
#include "parallel/base/seed.h"

namespace sextant::trainer {
namespace {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// Sum of squares around a centre.
double squares(const std::vector<double>& values, double centre) {
  double sum = 0;
  for (double value : values) sum += (value - centre) * (value - centre);
  return sum;
}

double correlation_of(const std::vector<double>& a, const std::vector<double>& b) {
  double mean_a = mean(a), mean_b = mean(b), product = 0;
  for (size_t i = 0; i < a.size(); ++i) product += (a[i] - mean_a) * (b[i] - mean_b);
  double scale = std::sqrt(squares(a, mean_a) * squares(b, mean_b));
  return scale > 0 ? product / scale : kUnknown;
}

}  // namespace

Estimate mean_of(const std::vector<double>& values) {
  expect(!values.empty(), "a mean of one value or more");
  auto n = static_cast<double>(values.size());
  double centre = mean(values);
  double error = n > 1 ? std::sqrt(squares(values, centre) / (n - 1) / n) : kUnknown;
  return {centre, error, std::ssize(values)};
}

Estimate mean_of_clusters(const std::vector<double>& values, const std::vector<std::string>& clusters) {
  expect(!values.empty() && values.size() == clusters.size(), "a cluster for each value");
  double centre = mean(values), sum = 0;
  std::map<std::string_view, double> deviations;
  for (size_t i = 0; i < values.size(); ++i) deviations[clusters[i]] += values[i] - centre;
  for (const auto& [cluster, deviation] : deviations) sum += deviation * deviation;
  double error = deviations.size() > 1 ? std::sqrt(sum) / static_cast<double>(values.size()) : kUnknown;
  return {centre, error, std::ssize(values)};
}

Estimate ratio_of(const std::vector<double>& values, const std::vector<double>& weights) {
  expect(!values.empty() && values.size() == weights.size(), "a weight for each value");
  double weight = std::accumulate(weights.begin(), weights.end(), 0.0);
  double ratio = std::accumulate(values.begin(), values.end(), 0.0) / weight;
  std::vector<double> residuals;
  residuals.reserve(values.size());
  for (size_t i = 0; i < values.size(); ++i) residuals.push_back(values[i] - ratio * weights[i]);
  auto n = static_cast<double>(values.size());
  double error = n > 1 ? std::sqrt(n * squares(residuals, 0) / (n - 1)) / weight : kUnknown;
  return {ratio, error, std::ssize(values)};
}

Interval bootstrap_interval(int64_t n, int64_t resamples, uint64_t seed, std::string_view purpose,
                            const std::function<double(const std::vector<int64_t>& items)>& statistic) {
  RandomKey key(seed, purpose);
  std::vector<double> found;
  std::vector<int64_t> items(static_cast<size_t>(n));
  for (int64_t resample = 0; resample < resamples; ++resample) {
    for (int64_t i = 0; i < n; ++i) {
      items[static_cast<size_t>(i)] = static_cast<int64_t>(
          key.below(static_cast<uint64_t>(n), static_cast<uint64_t>(resample), static_cast<uint64_t>(i)));
    }
    found.push_back(statistic(items));
  }
  if (found.empty()) return {kUnknown, kUnknown};
  return middle_95(std::move(found));
}

double pass_at(int64_t k, int64_t samples, int64_t right) {
  expect(k >= 1 && k <= samples && right >= 0 && right <= samples, "pass@k is of at most all samples");
  if (samples - right < k) return 1;
  double none = 1;  // as a product, which does not overflow
  for (int64_t i = samples - right + 1; i <= samples; ++i)
    none *= 1 - static_cast<double>(k) / static_cast<double>(i);
  return 1 - none;
}

double sign_test(int64_t successes, int64_t trials) {
  int64_t fewer = std::min(successes, trials - successes);
  if (2 * fewer == trials) return 1;
  auto log_factorial = [](int64_t k) { return std::lgamma(static_cast<double>(k) + 1); };
  double tail = 0;
  for (int64_t k = 0; k <= fewer; ++k) {
    tail += std::exp(log_factorial(trials) - log_factorial(k) - log_factorial(trials - k) -
                     static_cast<double>(trials) * std::log(2.0));
  }
  return std::min(1.0, 2 * tail);
}

PairedComparison compare_paired(const std::vector<double>& a, const std::vector<double>& b) {
  expect(a.size() == b.size(), "two values an item");
  PairedComparison result;
  std::vector<double> differences;
  for (size_t i = 0; i < a.size(); ++i) {
    differences.push_back(b[i] - a[i]);
    result.better += b[i] > a[i] ? 1 : 0;
    result.worse += b[i] < a[i] ? 1 : 0;
  }
  result.difference = mean_of(differences);
  result.correlation = correlation_of(a, b);
  result.sign_p = sign_test(result.better, result.better + result.worse);
  double distance = std::abs(result.difference.value) / result.difference.error;
  result.normal_p = result.difference.value == 0 ? 1 : std::erfc(distance / std::sqrt(2.0));
  return result;
}

}  // namespace sextant::trainer
