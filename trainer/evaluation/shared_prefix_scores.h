#pragma once

#include <cstdint>
#include <vector>

#include "trainer/evaluation/text_packing.h"
#include "trainer/model/cache.h"
#include "trainer/passes.h"

namespace sextant::trainer {

// How likely a model finds the measured ids of a text.
struct TextScore {
  std::vector<double> log_probabilities;  // of each measured id
  bool greedy = true;                     // none other is likelier where it stands

  double sum() const;
};

// The keys and values of what texts scored one after the other begin with (ScoredText::kept). Of one model.
struct KeptPrefix {
  std::vector<int32_t> ids;
  Cache cache;  // one row
};

// Scores items, each of them texts that are compared with each other. What texts of a pass begin with is read
// once, their ends as branches behind it; what an item's texts mark as kept is read on its own in front of
// the rest, and only when `prefix` has it not from the items before. Items that stand beside each other and
// keep the same go through the model together, several hundred tokens a pass, where the kernels keep a row's
// bits its own: in fp32 on a CPU, and in bf16 where it has the tile unit. Elsewhere each goes alone. So the
// scores are a function of the item's texts, to the bit: nothing that is read before, beside, after or on
// another rank has a part in them. Throws Error(kInput) for an id outside the vocabulary. All ranks that hold
// the model must call, with equal texts, and get the same.
std::vector<std::vector<TextScore>> score_items(Passes& passes, const std::vector<TextsOfItem>& items,
                                                KeptPrefix& prefix);

}  // namespace sextant::trainer
