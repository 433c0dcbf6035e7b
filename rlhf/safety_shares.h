#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "trainer/interval.h"

namespace sextant::rlhf {

// Whether each answer counts, and which subject it is about: answers about one subject depend on each other.
struct Counted {
  std::vector<double> counts;  // 0 or 1
  std::vector<std::string> subjects;
};

// A share of answers.
struct Share {
  double value = 0;
  trainer::Interval bounds;  // at 95 %
  int64_t answers = 0;
  int64_t subjects = 0;
};

// Wilson's interval at 95 % (1927) of a share seen in so many independent trials.
trainer::Interval wilson_bounds(double share, double trials);

// The share of answers that count, within Wilson's interval as if each subject had been one trial: answers
// about one subject may be all alike. At least one answer.
Share share_of(const Counted& counted);

// By how much a share changed.
struct ShareChange {
  double difference = 0;     // after - before
  trainer::Interval bounds;  // at 95 %
};

// Of two models on the same answers' prompts, in the same order. Bounds are trainer::bootstrap_interval's
// over the subjects, the same draws for both models.
ShareChange change_of(const Counted& before, const Counted& after, int64_t resamples, uint64_t seed,
                      const std::string& name);

}  // namespace sextant::rlhf
