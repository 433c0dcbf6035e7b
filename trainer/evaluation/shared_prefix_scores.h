#pragma once

#include <cstdint>
#include <vector>

#include "trainer/evaluation/scored_text.h"
#include "trainer/model/cache.h"
#include "trainer/passes.h"

namespace sextant::trainer {

// How likely a model finds the measured ids of a text.
struct TextScore {
  std::vector<double> log_probabilities;  // of each measured id
  bool greedy = true;                     // each is the likeliest where it stands

  double sum() const;
};

// The keys and values of what texts scored one after the other begin with (ScoredText::kept). Of one model.
struct KeptPrefix {
  std::vector<int32_t> ids;
  Cache cache;  // one row
};

// Scores texts that are compared with each other, such as a question with each of its options. What all of
// them begin with is read once and kept in a key-value cache; their ends are read side by side. What they
// mark as kept is read on its own in front of the rest, and only when `prefix` has it not from the texts
// before. The scores are a function of these texts alone, to the bit: nothing that is read before, after or
// on another rank has a part in them. Throws Error(kInput) for an id outside the vocabulary. All ranks that
// hold the model must call, with equal texts, and get the same.
std::vector<TextScore> score_together(Passes& passes, const std::vector<ScoredText>& texts,
                                      KeptPrefix& prefix);
// With nothing kept from before.
std::vector<TextScore> score_together(Passes& passes, const std::vector<ScoredText>& texts);

}  // namespace sextant::trainer
