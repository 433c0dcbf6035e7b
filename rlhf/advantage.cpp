#include "rlhf/advantage.h"

#include <cmath>
#include <numeric>

#include "parallel/base/error.h"

namespace sextant::rlhf {
namespace {

constexpr double kGroupEpsilon = 1e-4;  // under which a group's scores say nothing

// Calls `each` with the begin of every group.
template <class Each>
void each_group(size_t scores, int64_t group, const Each& each) {
  expect(group > 1 && scores % static_cast<size_t>(group) == 0, "scores come in groups of two or more");
  for (size_t begin = 0; begin < scores; begin += static_cast<size_t>(group)) each(begin);
}

}  // namespace

Advantages generalised_advantages(const std::vector<double>& rewards, const std::vector<double>& values,
                                  double gamma, double lambda) {
  expect(rewards.size() == values.size(), "every token has a reward and a value");
  Advantages found{std::vector<double>(rewards.size()), std::vector<double>(rewards.size())};
  double next_value = 0, advantage = 0;
  for (size_t t = rewards.size(); t-- > 0;) {
    double delta = rewards[t] + gamma * next_value - values[t];
    advantage = delta + gamma * lambda * advantage;
    found.advantages[t] = advantage;
    found.returns[t] = advantage + values[t];
    next_value = values[t];
  }
  return found;
}

std::vector<double> group_mean_advantages(const std::vector<double>& scores, int64_t group) {
  std::vector<double> found(scores.size());
  each_group(scores.size(), group, [&](size_t begin) {
    double mean = 0;
    size_t end = begin + static_cast<size_t>(group);
    for (size_t i = begin; i < end; ++i) mean += scores[i] / static_cast<double>(group);
    for (size_t i = begin; i < end; ++i) found[i] = scores[i] - mean;
  });
  return found;
}

std::vector<double> group_relative_advantages(const std::vector<double>& scores, int64_t group) {
  std::vector<double> found = group_mean_advantages(scores, group);
  each_group(scores.size(), group, [&](size_t begin) {
    double squares = 0;
    size_t end = begin + static_cast<size_t>(group);
    for (size_t i = begin; i < end; ++i) squares += found[i] * found[i];
    double deviation = std::sqrt(squares / static_cast<double>(group - 1));
    for (size_t i = begin; i < end; ++i) found[i] /= deviation + kGroupEpsilon;
  });
  return found;
}

std::vector<double> leave_one_out_advantages(const std::vector<double>& scores, int64_t group) {
  std::vector<double> found(scores.size());
  auto others = static_cast<double>(group - 1);
  each_group(scores.size(), group, [&](size_t begin) {
    size_t end = begin + static_cast<size_t>(group);
    double sum = 0;
    for (size_t i = begin; i < end; ++i) sum += scores[i];
    for (size_t i = begin; i < end; ++i) found[i] = scores[i] - (sum - scores[i]) / others;
  });
  return found;
}

}  // namespace sextant::rlhf
