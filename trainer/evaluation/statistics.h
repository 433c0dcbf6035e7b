#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/interval.h"

namespace sextant::trainer {

// A number measured on n items.
struct Estimate {
  double value = 0;
  double error = 0;  // its standard error; NaN where one item or cluster says nothing of it
  int64_t n = 0;
};

// Mean of the values, and its standard error: sample deviation (n - 1) over sqrt(n). One value at least.
Estimate mean_of(const std::vector<double>& values);

// The same where values of one cluster depend on each other: sqrt(sum over clusters of (sum of deviations)^2)
// / n (Miller 2024, "Adding Error Bars to Evals", equation 4).
Estimate mean_of_clusters(const std::vector<double>& values, const std::vector<std::string>& clusters);

// Sum of values over sum of weights, such as bits per byte of documents; standard error by linearisation
// (Cochran 1977, "Sampling Techniques", 2.11): of the residuals value - ratio weight, as mean_of's.
Estimate ratio_of(const std::vector<double>& values, const std::vector<double>& weights);

// Percentile interval at 95 % of `statistic` over resamples of n items with replacement (Efron 1979), drawn
// by (seed, purpose) alone. The statistic is told which items a resample has.
Interval bootstrap_interval(int64_t n, int64_t resamples, uint64_t seed, std::string_view purpose,
                            const std::function<double(const std::vector<int64_t>& items)>& statistic);

// Two models on the same items.
struct PairedComparison {
  Estimate difference;  // mean of b - a
  int64_t better = 0;   // items on which b is better
  int64_t worse = 0;
  double correlation = 0;  // between the models' values; NaN where one of them is constant
  double sign_p = 1;       // exact two-sided sign test over these, McNemar's exact test for 0 and 1
  double normal_p = 1;     // two-sided, difference over its standard error as a normal number
};

// Throws std::logic_error unless both have equally many values.
PairedComparison compare_paired(const std::vector<double>& a, const std::vector<double>& b);

// pass@k: the probability that of k drawn of these samples one at least is right, 1 - C(n - c, k) / C(n, k):
// unbiased for what k samples of the model would do (Chen et al. 2021, equation 1). k is at most `samples`.
double pass_at(int64_t k, int64_t samples, int64_t right);

// Probability of a count at least as far from trials / 2 as this one, of fair coins.
double sign_test(int64_t successes, int64_t trials);

}  // namespace sextant::trainer
