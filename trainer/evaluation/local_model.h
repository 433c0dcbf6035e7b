#pragma once

#include <string>
#include <vector>

#include "data/chat/chat_template.h"
#include "trainer/evaluation/eval_model.h"
#include "trainer/evaluation/scored_text.h"
#include "trainer/evaluation/shared_prefix_scores.h"
#include "trainer/passes.h"

namespace sextant::trainer {

// A model out of a checkpoint, as this rank holds it. Answers are written side by side, and none depends on
// another. Where a prompt leaves no room for its answer, ids at the
// front are left out, as lm-evaluation-harness has it. What items begin with is kept from one to the next.
class LocalModel : public EvalModel {
 public:
  // Borrows all but the stop tokens, which end an answer. `chat` may be null where nobody speaks.
  LocalModel(Passes& passes, TextForm form, std::vector<int32_t> stop_tokens, const data::ChatTemplate* chat);

  std::vector<Answered> write(const std::vector<Question>& questions, const WritingRules& rules) override;
  std::vector<std::vector<OptionScore>> score(const std::vector<const EvalItem*>& items) override;
  DocumentScore read(const std::string& text, int64_t stride) override;

 private:
  Passes& passes_;
  TextForm form_;
  std::vector<int32_t> stop_tokens_, special_;
  const data::ChatTemplate* chat_;
  KeptPrefix prefix_;

  std::string said_text(std::vector<int32_t> ids) const;
  std::vector<int32_t> prompt_of(const Question& question, int64_t tokens, Answered& answered) const;
};

}  // namespace sextant::trainer
