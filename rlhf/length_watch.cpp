#include "rlhf/length_watch.h"

#include <fmt/format.h>

#include <cmath>
#include <numeric>

namespace sextant::rlhf {
namespace {

constexpr size_t kSteps = 5;
// Half of the scores' variance follows from the length alone.
constexpr double kStrong = 0.7;

}  // namespace

std::optional<std::string> LengthWatch::observe(double correlation, double tokens) {
  recent_.push_back(std::isfinite(correlation) ? correlation : 0);
  if (recent_.size() > kSteps) recent_.pop_front();
  double mean = std::accumulate(recent_.begin(), recent_.end(), 0.0) / static_cast<double>(recent_.size());
  bool strong = recent_.size() == kSteps && std::abs(mean) > kStrong;
  bool tell = strong && !told_;
  told_ = strong;
  if (!tell) return std::nullopt;
  return fmt::format(
      "scores follow the length of the answers (correlation {:+.2f} over {} steps, {:.1f} tokens on "
      "average): "
      "the policy will learn to be {} rather than good; see reward_SOURCE in metrics.jsonl, and cap that "
      "source (rewards.model_cap, rubric.cap) or set a rule on length against it",
      mean, kSteps, tokens, mean > 0 ? "long" : "short");
}

}  // namespace sextant::rlhf
