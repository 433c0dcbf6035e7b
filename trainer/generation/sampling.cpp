#include "trainer/generation/sampling.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "parallel/base/error.h"

namespace sextant::trainer {
namespace {

// Draws among all ids in their order: two passes, no sorting.
template <class Number>
int64_t draw_of_all(const Number* logits, int64_t count, double temperature, double uniform) {
  auto highest = static_cast<double>(*std::max_element(logits, logits + count));
  auto weight = [&](int64_t id) {
    return std::exp((static_cast<double>(logits[id]) - highest) / temperature);
  };
  double total = 0;
  for (int64_t id = 0; id < count; ++id) total += weight(id);
  double left = uniform * total;
  for (int64_t id = 0; id < count; ++id) {
    left -= weight(id);
    if (left < 0) return id;
  }
  return std::max_element(logits, logits + count) - logits;  // rounding left a crumb
}

// The `keep` likeliest ids in order (equal ones by id), or, where all are kept, the first whose weights reach
// top_p of all weight: a vocabulary is sorted no further than that.
template <class Weight>
std::vector<int64_t> likeliest(const std::vector<double>& log_probabilities, size_t keep, double top_p,
                               const Weight& weight) {
  std::vector<int64_t> ids(log_probabilities.size());
  std::iota(ids.begin(), ids.end(), 0);
  auto likelier = [&](int64_t a, int64_t b) {
    double x = log_probabilities[static_cast<size_t>(a)], y = log_probabilities[static_cast<size_t>(b)];
    return x != y ? x > y : a < b;
  };
  double wanted = 0;  // weight
  bool cut = keep == ids.size() && top_p < 1.0;
  for (size_t i = 0; cut && i < ids.size(); ++i) wanted += weight(ids[i]);
  wanted *= top_p;
  size_t sorted = cut ? std::min<size_t>(keep, 64) : keep;
  for (;; sorted = std::min(keep, 8 * sorted)) {
    std::partial_sort(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(sorted), ids.end(), likelier);
    double reached = 0;
    for (size_t i = 0; cut && i < sorted; ++i) {
      reached += weight(ids[i]);
      if (reached < wanted) continue;
      ids.resize(i + 1);
      return ids;
    }
    if (sorted == keep) break;
  }
  ids.resize(keep);
  return ids;
}

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
  size_t keep = log_probabilities.size();
  if (settings.top_k > 0) keep = std::min(keep, static_cast<size_t>(settings.top_k));
  if (settings.temperature <= 0) keep = 1;
  double highest = *std::max_element(log_probabilities.begin(), log_probabilities.end());
  auto weight = [&](int64_t id) {
    return std::exp((log_probabilities[static_cast<size_t>(id)] - highest) / settings.temperature);
  };
  std::vector<int64_t> ids = likeliest(log_probabilities, keep, settings.top_p, weight);
  if (keep == 1) return {{ids[0], 1.0}};

  std::vector<Candidate> kept;
  double total = 0;
  for (int64_t id : ids) total += kept.emplace_back(Candidate{id, weight(id)}).probability;
  for (Candidate& candidate : kept) candidate.probability /= total;
  if (ids.size() == keep && settings.top_p < 1.0) keep_top_p(kept, settings.top_p);
  return kept;
}

template <class Number>
int64_t choose(const Number* logits, int64_t count, const SamplingSettings& settings, double uniform) {
  if (settings.temperature <= 0) return std::max_element(logits, logits + count) - logits;
  if (settings.top_k == 0 && settings.top_p >= 1.0) {
    return draw_of_all(logits, count, settings.temperature, uniform);
  }
  return draw(candidates(std::vector<double>(logits, logits + count), settings), uniform);
}

template int64_t choose(const float*, int64_t, const SamplingSettings&, double);
template int64_t choose(const double*, int64_t, const SamplingSettings&, double);

int64_t draw(const std::vector<Candidate>& candidates, double uniform) {
  for (const Candidate& candidate : candidates) {
    uniform -= candidate.probability;
    if (uniform < 0) return candidate.id;
  }
  return candidates.back().id;  // rounding left a crumb
}

}  // namespace sextant::trainer
