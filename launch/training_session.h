#pragma once

#include <functional>
#include <memory>
#include <string>

#include "data/chat/chat.pb.h"
#include "data/loader.h"
#include "data/tokenizer/tokenizer.h"
#include "launch/run_start.h"
#include "parallel/group_mpi.h"
#include "trainer/assembly.h"
#include "trainer/loss.h"
#include "trainer/metrics/stop_signal.h"
#include "trainer/run.pb.h"
#include "trainer/samples.h"
#include "trainer/train.h"

namespace sextant::launch {

// What a user says as the chat template of `settings` (or the tokenizer's own) has it. Borrows the tokenizer.
trainer::PromptForm chat_prompts(const data::ChatSettings& settings, const trainer::Run& config,
                                 const data::Tokenizer& tokenizer);

// What a stage trains on.
struct StageRows {
  std::unique_ptr<data::Loader> train;
  std::unique_ptr<data::Loader> valid;  // null: nothing is held out
  std::string text;                     // what to tell of them at the start; "" for nothing
};

// What makes pretraining, supervised fine-tuning and the like differ; all else of a run is the same.
// Settings are complete (fill_defaults) when these are called.
struct TrainingStage {
  // This rank's rows: `train` is its part of each step, `valid` one held-out microbatch a step, the same for
  // every rank. No collectives.
  std::function<StageRows(const trainer::Run&, const data::Tokenizer&, const data::LoaderShape& train,
                          const data::LoaderShape& valid)>
      open_rows;
  std::function<trainer::LossFunction(const trainer::Run&)> loss;
  // How run.sample_prompts are read; left out: as text. The tokenizer outlives the result.
  std::function<trainer::PromptForm(const trainer::Run&, const data::Tokenizer&)> prompt_form;
  // Looks at the model that the run starts from, before it is trained, or before a checkpoint takes its place
  // where the run goes on; then run.start_from stays the step folder that it named at the first start. Left
  // out: not. All ranks call.
  std::function<void(const trainer::Assembly&, parallel::Group& world)> learn_from_start;
  // What a stage knows once the model is there: see Training's fields of these names. Left out: nothing.
  std::function<trainer::Scalars(const trainer::Assembly&, const trainer::HeldOut&, parallel::Group& world)>
      measure;
  std::function<void(const trainer::Assembly&, parallel::Group& world)> complete;
  // The whole configuration, for config.yaml.
  std::function<std::string(const trainer::Run&)> config_text;
};

// What a process has once, however many runs it makes one after the other.
struct RankOfRuns {
  parallel::MpiSession& session;
  parallel::Group& world;
  const trainer::StopSignal& stop;
  int threads;  // of this rank, already shared out (launch/machine.h)
};

// Opens MPI and trains from the newest checkpoint, the one to start from or random weights to the end.
// Returns the exit code.
int train_stage(RunFile& run, const TrainingStage& stage);

// The same within a command that goes on afterwards. All ranks of the world must call; throws AgreedError.
int train_one(RunFile& run, const TrainingStage& stage, const RankOfRuns& rank);

// Opens MPI, once a process, shares out the threads and runs `body`. Returns the exit code.
int run_training(const std::function<int(const RankOfRuns&)>& body);

}  // namespace sextant::launch
