#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/chat/preference_rows.h"
#include "data/loader.h"
#include "data/tokenizer/tokenizer.h"
#include "parallel/group.h"
#include "rlhf/dpo.pb.h"
#include "trainer/assembly.h"

namespace sextant::rlhf {

// Answers whose log-probabilities by the reference are wanted before anything is trained.
struct ReferenceAnswers {
  std::shared_ptr<data::AnswerNumbers> numbers;
  std::unique_ptr<data::Loader> rows;  // with each answer once or more, a microbatch a step
  int64_t microbatches = 0;
};

// The rows of direct preference optimisation: packed comparisons.
struct DpoRows {
  std::unique_ptr<data::Loader> train;
  std::unique_ptr<data::Loader> valid;  // null: nothing is held out
  std::vector<ReferenceAnswers> references;
  std::string text;  // what was read and left out, in a line or two
};

// Reads the comparisons. `train` is this rank's part of each step, `valid` that of each held-out microbatch.
// No collectives. Throws Error(kInput) as the settings say.
DpoRows open_dpo_rows(const DpoRun& run, const data::Tokenizer& tokenizer, const data::LoaderShape& train,
                      const data::LoaderShape& valid);

// Fills the numbers with the log-probabilities that the model gives the answers as it is now, by training's
// forward pass under the run's own layout: so the reference's weights stand in no rank's memory beside the
// policy's. Gives the rows up. Before any batch of train and valid is asked for. All ranks of the world must
// call.
void measure_reference(const trainer::Assembly& assembly, int64_t chunk,
                       std::vector<ReferenceAnswers>& references, parallel::Group& world);

}  // namespace sextant::rlhf
