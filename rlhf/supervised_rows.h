#pragma once

#include <memory>
#include <string>

#include "data/loader.h"
#include "data/tokenizer/tokenizer.h"
#include "rlhf/supervised.pb.h"

namespace sextant::rlhf {

// The rows of supervised fine-tuning: packed conversations, and pretraining rows among them.
struct SupervisedRows {
  std::unique_ptr<data::Loader> train;
  std::unique_ptr<data::Loader> valid;  // null: nothing is held out
  std::string text;                     // what was read and left out, in a line or two
};

// Reads the conversations and opens the shards. `train` is this rank's part of each step, `valid` that of
// each held-out microbatch. No collectives. Throws Error(kInput) as the settings say.
SupervisedRows open_supervised_rows(const SupervisedRun& run, const data::Tokenizer& tokenizer,
                                    const data::LoaderShape& train, const data::LoaderShape& valid);

}  // namespace sextant::rlhf
