#pragma once

#include <cstdint>
#include <vector>

#include "data/chat/chat_template.h"
#include "rlhf/experience.pb.h"
#include "rlhf/ppo.pb.h"
#include "rlhf/prompts.h"
#include "trainer/passes.h"

namespace sextant::rlhf {

// Which episodes a rank draws: [first, first + count) of a step's. A pure function of (settings, seed, step,
// first, count): no other episode of the step changes what is drawn.
struct RolloutRange {
  int64_t step = 0;
  int64_t first = 0;
  int64_t count = 0;
};

// The prompt of group `number` of all that a run draws: each epoch over the prompts in an order of its own.
int64_t prompt_of(int64_t number, int64_t prompts, uint64_t run_seed);

// Draws answers from the policy. `in_step`: see trainer::GenerationSettings. Log-probabilities are those of
// sampling, to be compared with those of training. All ranks that hold the model must call, with equal
// arguments, and get the same.
std::vector<Episode> draw_episodes(trainer::Passes& policy, const PpoSettings& settings, uint64_t run_seed,
                                   const PromptSet& prompts, const data::ChatTemplate& form,
                                   const data::Tokenizer& tokenizer, const RolloutRange& range,
                                   parallel::Group* in_step);

}  // namespace sextant::rlhf
