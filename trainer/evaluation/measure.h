#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "data/chat/chat_template.h"
#include "trainer/evaluation/code_sandbox.h"
#include "trainer/evaluation/eval.pb.h"
#include "trainer/evaluation/scored_text.h"
#include "trainer/evaluation/shared_prefix_scores.h"
#include "trainer/evaluation/task.h"
#include "trainer/passes.h"

namespace sextant::trainer {

// The model under test, as this rank holds it.
struct EvalModel {
  Passes& passes;
  TextForm form;
  std::vector<int32_t> stop_tokens;      // ids that end a completion
  const data::ChatTemplate* chat;        // null where no task needs one
  const CodeSandbox* sandbox = nullptr;  // likewise
};

// Records of items of one task (docs/evals.md): what the model was given, what it made of that, and the
// grade, which programs have yet to earn (run_programs); of each item the same whatever stands beside it.
// `prefix` goes from call to call. Throws Error(kInput) naming the item where one can not be given to this
// model. All ranks that hold the model must call, with equal items.
std::vector<nlohmann::ordered_json> measure_items(const EvalModel& model, const EvalSettings& settings,
                                                  const EvalTask& task,
                                                  const std::vector<const EvalItem*>& items,
                                                  KeptPrefix& prefix);

}  // namespace sextant::trainer
