#pragma once

#include <cstdint>
#include <vector>

namespace sextant::trainer {

// How sure a model was, and whether it was right (0, 1, or between where it is half right).
struct Judgement {
  double confidence = 0;
  double right = 0;
};

// Judgements of like confidence.
struct ReliabilityBin {
  double low = 0, high = 0;  // confidences that belong here; of bins of equal mass those that are here
  double count = 0;
  double confidence = 0;  // sum
  double right = 0;       // sum
};

// Bins of equal width over [low, high]: (low, low + w], ... as Guo et al. 2017 have them, low itself in the
// first.
std::vector<ReliabilityBin> empty_bins(double low, double high, int64_t bins);
void add_to_bins(std::vector<ReliabilityBin>& bins, const Judgement& judgement);

// Bins of equally many judgements, in the order of their confidence; of n over k bins the first n mod k have
// one more (numpy's array_split).
std::vector<ReliabilityBin> bins_of_equal_mass(std::vector<Judgement> judgements, int64_t bins);

// Expected calibration error (Naeini et al. 2015): the bins' |mean confidence - share right|, weighted by
// their counts. 0 where nothing was judged.
double calibration_error(const std::vector<ReliabilityBin>& bins);

// Sum over an item's options of (probability - 1 where it is right)^2 (Brier 1950).
double brier_score(const std::vector<double>& probabilities, int64_t right);

}  // namespace sextant::trainer
