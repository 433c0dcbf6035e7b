#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/chat/chat_template.h"
#include "data/loader.h"
#include "data/tokenizer/tokenizer.h"
#include "parallel/mesh.h"
#include "rlhf/divergence.h"
#include "rlhf/frozen_model.h"
#include "rlhf/moving_average.h"
#include "rlhf/ppo.pb.h"
#include "rlhf/prompts.h"
#include "rlhf/rubric.h"
#include "trainer/assembly.h"
#include "trainer/checkpoint/checkpoint.h"
#include "trainer/guard.h"
#include "trainer/metrics/append_file.h"
#include "trainer/run_log.h"
#include "trainer/train.h"

namespace sextant::rlhf {

// What a run of PPO is made of. The loop borrows it all and owns none of it. Settings are complete.
struct PolicyTraining {
  const PpoRun& settings;
  const trainer::Run& config;  // the sections that settings shares with pretraining
  parallel::Group& world;
  trainer::Assembly& policy;
  trainer::Assembly* value;    // null: advantages need none
  FrozenModel& reference;      // what the policy started from
  FrozenModel* reward_model;   // null: none
  const RubricScorer* rubric;  // null: none
  const PromptSet& prompts;
  const data::ChatTemplate& form;
  const data::Tokenizer& tokenizer;
  data::Loader* pretraining;  // rows beside each update; null: none
  trainer::HeldOut held_out;  // text whose loss is measured, to see what is forgotten
  MovingAverage& average;
  KlController& kl;
  trainer::CheckpointWriter& checkpoints;
  trainer::Manifest identity;  // fingerprints, layout and program of every checkpoint
  std::map<std::string, std::string> side_files;
  trainer::RunLog* log;               // rank 0 of the world; null on the others
  trainer::AppendFile* episodes_log;  // the same: samples.jsonl
  std::function<bool()> stop_requested;
  trainer::Guard guard;
  int64_t tokens = 0;  // of answers, trained on so far
};

// Trains from `start` finished steps to the end. Each step: draw, score, compare, update, report, save. Every
// rank comes to the same end. All ranks of the world must call.
trainer::Outcome train_policy(PolicyTraining& training, Step start);

// The state of a run: the policy's as any run names it, "value/..." of the value model (null: none),
// "average/...".
std::vector<trainer::StateTensor> policy_state(trainer::Assembly& policy, trainer::Assembly* value,
                                               const MovingAverage& average);

// Fills policy, value model, average and the KL coefficient from a checkpoint of such a run. No collectives:
// refresh_values() of both must follow. Returns the tokens trained on.
int64_t restore_policy(const trainer::CheckpointReader& reader, trainer::Assembly& policy,
                       trainer::Assembly* value, const MovingAverage& average, KlController& kl);

}  // namespace sextant::rlhf
