#include "trainer/generation/sampling.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "parallel/base/error.h"

namespace sextant::trainer {
namespace {

void keep_top_p(std::vector<Candidate>& sorted, double top_p) {
  double reached = 0;
  for (size_t i = 0; i < sorted.size(); ++i) {
    reached += sorted[i].probability;
    if (reached >= top_p) {
      sorted.resize(i + 1);
      break;
    }
  }
  double total = 0;
  for (const Candidate& candidate : sorted) total += candidate.probability;
  for (Candidate& candidate : sorted) candidate.probability /= total;
}

}  // namespace

std::vector<Candidate> candidates(const std::vector<double>& log_probabilities,
                                  const SamplingSettings& settings) {
  expect(!log_probabilities.empty(), "there is a token to choose");
  std::vector<int64_t> ids(log_probabilities.size());
  std::iota(ids.begin(), ids.end(), 0);
  auto likelier = [&](int64_t a, int64_t b) {
    double x = log_probabilities[static_cast<size_t>(a)], y = log_probabilities[static_cast<size_t>(b)];
    return x != y ? x > y : a < b;
  };
  size_t keep = ids.size();
  if (settings.top_k > 0) keep = std::min(keep, static_cast<size_t>(settings.top_k));
  if (settings.temperature <= 0) keep = 1;
  std::partial_sort(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(keep), ids.end(), likelier);
  ids.resize(keep);
  if (keep == 1) return {{ids[0], 1.0}};

  std::vector<Candidate> kept;
  double highest = log_probabilities[static_cast<size_t>(ids[0])], total = 0;
  for (int64_t id : ids) {
    double weight = std::exp((log_probabilities[static_cast<size_t>(id)] - highest) / settings.temperature);
    kept.push_back({id, weight});
    total += weight;
  }
  for (Candidate& candidate : kept) candidate.probability /= total;
  if (settings.top_p < 1.0) keep_top_p(kept, settings.top_p);
  return kept;
}

int64_t draw(const std::vector<Candidate>& candidates, double uniform) {
  for (const Candidate& candidate : candidates) {
    uniform -= candidate.probability;
    if (uniform < 0) return candidate.id;
  }
  return candidates.back().id;  // rounding left a crumb
}

}  // namespace sextant::trainer
