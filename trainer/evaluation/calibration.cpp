#include "trainer/evaluation/calibration.h"

#include <algorithm>
#include <cmath>

namespace sextant::trainer {

std::vector<ReliabilityBin> empty_bins(double low, double high, int64_t bins) {
  std::vector<ReliabilityBin> result(static_cast<size_t>(bins));
  for (int64_t i = 0; i < bins; ++i) {
    double step = (high - low) / static_cast<double>(bins);
    result[static_cast<size_t>(i)].low = low + step * static_cast<double>(i);
    result[static_cast<size_t>(i)].high = i + 1 == bins ? high : low + step * static_cast<double>(i + 1);
  }
  return result;
}

void add_to_bins(std::vector<ReliabilityBin>& bins, const Judgement& judgement) {
  auto fits = [&](const ReliabilityBin& bin) { return judgement.confidence <= bin.high; };
  auto bin = std::find_if(bins.begin(), bins.end(), fits);
  if (bin == bins.end()) --bin;  // above 1 by rounding
  bin->count += 1;
  bin->confidence += judgement.confidence;
  bin->right += judgement.right;
}

std::vector<ReliabilityBin> bins_of_equal_mass(std::vector<Judgement> judgements, int64_t bins) {
  std::stable_sort(judgements.begin(), judgements.end(),
                   [](const Judgement& a, const Judgement& b) { return a.confidence < b.confidence; });
  std::vector<ReliabilityBin> result;
  auto n = std::ssize(judgements);
  size_t at = 0;
  for (int64_t i = 0; i < bins; ++i) {
    int64_t count = n / bins + (i < n % bins ? 1 : 0);
    if (count == 0) break;
    ReliabilityBin bin;
    bin.low = judgements[at].confidence;
    for (int64_t j = 0; j < count; ++j, ++at) {
      bin.high = judgements[at].confidence;
      bin.count += 1;
      bin.confidence += judgements[at].confidence;
      bin.right += judgements[at].right;
    }
    result.push_back(bin);
  }
  return result;
}

double calibration_error(const std::vector<ReliabilityBin>& bins) {
  double error = 0, count = 0;
  for (const ReliabilityBin& bin : bins) {
    error += std::abs(bin.confidence - bin.right);
    count += bin.count;
  }
  return count > 0 ? error / count : 0;
}

double brier_score(const std::vector<double>& probabilities, int64_t right) {
  double score = 0;
  for (size_t i = 0; i < probabilities.size(); ++i) {
    double off = probabilities[i] - (static_cast<int64_t>(i) == right ? 1 : 0);
    score += off * off;
  }
  return score;
}

}  // namespace sextant::trainer
