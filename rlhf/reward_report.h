#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "parallel/group.h"
#include "trainer/evaluation/calibration.h"
#include "trainer/metrics/step_metrics.h"
#include "trainer/passes.h"
#include "trainer/train.h"

namespace sextant::rlhf {

// How well scores tell better answers from worse ones. A model that takes the better one with probability p =
// sigmoid(gap) says so with confidence max(p, 1 - p) of the answer that it prefers.
struct PreferenceReport {
  double pairs = 0;
  double accuracy = 0;           // equal scores count half
  double calibration_error = 0;  // ECE (Naeini et al. 2015): 10 bins of equal width from 0.5 to 1
  double brier = 0;              // mean of (1 - p)^2
};

// Sums from which reports are made; sums of ranks add up.
class PreferenceSums {
 public:
  static constexpr int64_t kBins = 10;

  void add(double gap);
  PreferenceReport report() const;
  // Over all ranks of the group, which call together.
  void reduce(parallel::Group& group);

 private:
  std::vector<trainer::ReliabilityBin> bins_ = trainer::empty_bins(0.5, 1, kBins);
  double brier_ = 0;
};

// Measures a reward model on held-out microbatches, as held_out_loss deals them out; each gap of a pair once.
// All ranks of the world must call.
PreferenceReport measure_preferences(trainer::Passes& passes, const trainer::HeldOut& held_out,
                                     parallel::Group& data, parallel::Group& world);

// As metrics: accuracy, calibration_error, brier, pairs.
trainer::Scalars scalars_of(const PreferenceReport& report);

}  // namespace sextant::rlhf
