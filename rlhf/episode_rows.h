#pragma once

#include <cstdint>
#include <vector>

#include "data/batch.h"
#include "rlhf/experience.pb.h"

namespace sextant::rlhf {

// P tokens of the prompt and R of the answer make a row of P + R; T is the time of all rows, padded at the
// end.

// The columns of rows of episodes (data::Batch), each [B, T]; what belongs to one of the answer's tokens
// stands where that token is the target, and elsewhere is 0.
enum Column : size_t {
  kAnswer,       // 1 at the answer's tokens
  kPretraining,  // weights of pretraining's tokens
  kBefore,       // log-probabilities when the answer was drawn
  kReference,    // the reference's
  kAdvantage,
  kValue,  // when the answer was drawn
  kReturn,
  kColumns,
};

// Tokens of prompt and answer together.
int64_t length_of(const Episode& episode);

// Episodes as rows of T tokens. Targets are the tokens after each, and the mask is set where the target
// belongs to the answer: at places P - 1 .. P + R - 2. Columns that an episode does not have yet are 0.
data::Batch episode_rows(const std::vector<const Episode*>& episodes, int64_t time);

// Puts pretraining rows behind, whose tokens weigh `weight` each.
void append_rows(data::Batch& batch, const data::Batch& more, double weight);

}  // namespace sextant::rlhf
