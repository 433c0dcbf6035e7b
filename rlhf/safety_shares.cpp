#include "rlhf/safety_shares.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "parallel/base/error.h"
#include "trainer/evaluation/statistics.h"

namespace sextant::rlhf {
namespace {

constexpr double kNormal = 1.959963984540054;  // 97.5th percentile of the normal distribution

double sum_of(const std::vector<double>& numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), 0.0);
}

// Of one subject.
struct Cluster {
  double difference = 0;  // sum over its answers
  double answers = 0;
};

std::vector<Cluster> clusters_of(const Counted& before, const Counted& after) {
  std::map<std::string, Cluster> found;
  for (size_t i = 0; i < before.counts.size(); ++i) {
    Cluster& cluster = found[before.subjects[i]];
    cluster.difference += after.counts[i] - before.counts[i];
    cluster.answers += 1;
  }
  std::vector<Cluster> all;
  all.reserve(found.size());
  for (const auto& [subject, cluster] : found) all.push_back(cluster);
  return all;
}

}  // namespace

trainer::Interval wilson_bounds(double share, double trials) {
  double square = kNormal * kNormal, scale = 1 + square / trials;
  double centre = share + square / (2 * trials);
  double reach = kNormal * std::sqrt(share * (1 - share) / trials + square / (4 * trials * trials));
  return {std::max(0.0, (centre - reach) / scale), std::min(1.0, (centre + reach) / scale)};
}

Share share_of(const Counted& counted) {
  expect(!counted.counts.empty() && counted.counts.size() == counted.subjects.size(),
         "a share of one answer or more, each with its subject");
  Share share;
  share.answers = std::ssize(counted.counts);
  share.subjects = std::ssize(std::set<std::string>(counted.subjects.begin(), counted.subjects.end()));
  share.value = sum_of(counted.counts) / static_cast<double>(share.answers);
  share.bounds = wilson_bounds(share.value, static_cast<double>(share.subjects));
  return share;
}

ShareChange change_of(const Counted& before, const Counted& after, int64_t resamples, uint64_t seed,
                      const std::string& name) {
  expect(before.subjects == after.subjects, "both models answered the same");
  std::vector<Cluster> clusters = clusters_of(before, after);
  ShareChange change;
  change.difference =
      (sum_of(after.counts) - sum_of(before.counts)) / static_cast<double>(before.counts.size());
  change.bounds = trainer::bootstrap_interval(
      std::ssize(clusters), resamples, seed, "bootstrap of " + name, [&](const std::vector<int64_t>& drawn) {
        Cluster all;
        for (int64_t i : drawn) {
          all.difference += clusters[static_cast<size_t>(i)].difference;
          all.answers += clusters[static_cast<size_t>(i)].answers;
        }
        return all.difference / all.answers;
      });
  return change;
}

}  // namespace sextant::rlhf
