#pragma once

#include <memory>
#include <string>

#include "data/loader.h"
#include "data/tokenizer/tokenizer.h"
#include "rlhf/reward.pb.h"

namespace sextant::rlhf {

// The rows of a reward model's training: packed comparisons.
struct RewardRows {
  std::unique_ptr<data::Loader> train;
  std::unique_ptr<data::Loader> valid;           // null: nothing is held out
  std::unique_ptr<data::Loader> demonstrations;  // answers that shall score 0 on average; a row a step
  std::string text;                              // what was read and left out, in a line or two
};

// Reads the comparisons. `train` is this rank's part of each step, `valid` that of each held-out microbatch.
// No collectives. Throws Error(kInput) as the settings say.
RewardRows open_reward_rows(const RewardRun& run, const data::Tokenizer& tokenizer,
                            const data::LoaderShape& train, const data::LoaderShape& valid);

}  // namespace sextant::rlhf
