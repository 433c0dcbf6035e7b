#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "data/loader.h"
#include "data/tokenizer/tokenizer.h"
#include "parallel/group.h"
#include "trainer/checkpoint/checkpoint.h"
#include "trainer/guard.h"
#include "trainer/loss.h"
#include "trainer/metrics/breakdown.h"
#include "trainer/run.pb.h"
#include "trainer/run_log.h"
#include "trainer/samples.h"
#include "trainer/step.h"

namespace sextant::trainer {

// The held-out rows of a run, as single microbatches that every rank sees whole.
struct HeldOut {
  data::Loader* microbatches = nullptr;  // null: the run has none
  int64_t count = 0;
};

// What one training run is made of. The loop borrows it all and owns none of it. Settings are complete.
struct Training {
  const Run& config;
  parallel::Group& world;
  parallel::Group& data;  // ranks that train on different rows
  Passes& passes;
  TrainStep& step;
  LossFunction loss;
  data::Loader& rows;
  HeldOut held_out;
  const data::Tokenizer& tokenizer;
  CheckpointWriter& checkpoints;
  Manifest identity;                              // fingerprints, layout and program of every checkpoint
  std::map<std::string, std::string> side_files;  // tokenizer.json, config.yaml
  RunLog* log;                                    // rank 0 of the world; null on the others
  std::function<bool()> stop_requested;           // by a signal, on this rank
  double peak_flops;                              // of one rank; 0: not known
  Guard guard;
  PromptForm prompt_form = {};  // of run.sample_prompts
  // Measures more of the held-out rows, whenever their loss is measured; nothing: no more. All ranks call.
  std::function<Scalars()> measure = {};
  // What is left to do to the model after the last step, before it is measured and saved. All ranks call.
  std::function<void()> complete = {};
};

enum class Outcome {
  kFinished,  // run.steps, or run.stop_at, is reached
  kStopped,   // a signal asked for it; a checkpoint says where to go on
};

// Trains from `start` finished steps to the end: next rows, step, report, evaluate, save. Every rank comes to
// the same end. All ranks of the world must call.
Outcome train(Training& training, Step start);

}  // namespace sextant::trainer
