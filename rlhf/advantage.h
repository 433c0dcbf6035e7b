#pragma once

#include <cstdint>
#include <vector>

// How much better each token or answer was than expected.
namespace sextant::rlhf {

// Of one answer of R tokens.
struct Advantages {
  std::vector<double> advantages;  // [R]
  std::vector<double> returns;     // [R] what the value model is to predict: advantage + value
};

// Generalised advantage estimation (Schulman et al. 2016, equation 16): with
// delta_t = reward_t + gamma value_{t+1} - value_t, advantage_t = sum_k (gamma lambda)^k delta_{t+k}.
// rewards, values [R]; value_t is what was expected before token t, and nothing comes after the last token.
Advantages generalised_advantages(const std::vector<double>& rewards, const std::vector<double>& values,
                                  double gamma, double lambda);

// Answers to the same prompt against each other (Shao et al. 2024, section 4.1.2): (score - mean) / (standard
// deviation + 1e-4), that of the sample (n - 1). scores [prompts x group], group by group. All equal: 0.
std::vector<double> group_relative_advantages(const std::vector<double>& scores, int64_t group);

// The score less the mean of its group (Dr. GRPO, Liu et al. 2025, section 3.2).
std::vector<double> group_mean_advantages(const std::vector<double>& scores, int64_t group);

// The score less the mean of the group's others (RLOO, Ahmadian et al. 2024, equation 7). group >= 2.
std::vector<double> leave_one_out_advantages(const std::vector<double>& scores, int64_t group);

}  // namespace sextant::rlhf
