#include "launch/training_session.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/chat/chat_template.h"
#include "data/chat/known_templates.h"
#include "data/durable_file.h"
#include "launch/machine.h"
#include "launch/ranks.h"
#include "launch/run_place.h"
#include "launch/version.h"
#include "parallel/agreement.h"
#include "trainer/assembly.h"
#include "trainer/checkpoint/kept_files.h"
#include "trainer/config/yaml_writer.h"
#include "trainer/host_memory.h"
#include "trainer/metrics/peak_flops.h"
#include "trainer/metrics/stop_signal.h"
#include "trainer/model/flops.h"
#include "trainer/model/initialise.h"
#include "trainer/model/stages.h"
#include "trainer/resume.h"
#include "trainer/scaling/outcome.h"
#include "trainer/sha256.h"
#include "trainer/start_from.h"
#include "trainer/state.h"
#include "trainer/train.h"

namespace sextant::launch {
namespace {

using parallel::Group;

// One start of a run on one rank, built up in the order of the methods.
class TrainingSession {
 public:
  TrainingSession(RunFile& run, const TrainingStage& stage, const RankOfRuns& rank)
      : run_(run),
        config_(run.config),
        stage_(stage),
        session_(rank.session),
        world_(rank.world),
        stop_(rank.stop),
        threads_(rank.threads) {}

  int run() {
    parallel::together(world_, [&] { device_ = choose_device(config_.run().device(), session_); });
    tokenizer_.emplace(complete_run(run_, world_, resources_of(world_, session_, device_)));
    place_.emplace(config_, session_, world_);
    open_data();
    carrier_.emplace(world_, device_, session_);
    parallel::alike([&] { assembly_.emplace(config_, carrier_->group(), device_); });
    introduce();
    start_or_resume();
    return train();
  }

 private:
  const trainer::ParameterList& parameters() const { return assembly_->model().parameters(); }

  void open_data() {
    parallel::Layout layout = parallel::layout_for(config_.parallel(), world_.size());
    int64_t slice = parallel::coordinate_of(layout, world_.rank()).data;
    data::LoaderShape shape = trainer::rows_shape(config_, slice, layout.data);
    data::LoaderShape alone = shape;  // held-out rows: one microbatch a step, the same for every rank
    alone.global_batch = shape.micro_batch;
    alone.slice = 0;
    alone.slices = 1;
    parallel::together(world_, [&] {
      rows_ = stage_.open_rows(config_, *tokenizer_, shape, alone);
      if (stage_.prompt_form) prompt_form_ = stage_.prompt_form(config_, *tokenizer_);
      if (rows_.valid == nullptr) return;
      int64_t rows = std::min(config_.run().evaluate_sequences(), rows_.valid->rows_per_epoch());
      held_out_.count = std::max<int64_t>(1, rows / shape.micro_batch);
      held_out_.microbatches = rows_.valid.get();
    });
  }

  // What the run is, before it starts.
  void introduce() {
    peak_flops_ = config_.run().has_peak_tflops()
                      ? config_.run().peak_tflops() * 1e12
                      : trainer::measured_peak_flops(parameters().precision().compute, device_);
    double elements = static_cast<double>(trainer::model_elements(config_.model()));
    double idle = static_cast<double>(trainer::idle_weights(config_.model()));
    place_->say(
        "{}: {} of {} parameters{} in {}, {} rank{} ({}), {} thread{} a rank, on {}", program_text(),
        trainer::ModelSettings::Kind_Name(config_.model().kind()), trainer::count_text(elements),
        idle > 0 ? fmt::format(" ({} of them for each token)", trainer::count_text(elements - idle)) : "",
        trainer::NumericsSettings::Compute_Name(config_.numerics().compute()), world_.size(),
        world_.size() == 1 ? "" : "s", assembly_->mesh().layout_text(), threads_, threads_ == 1 ? "" : "s",
        device_.str());
    if (config_.parallel().pipeline() > 1) {
      int64_t rows = config_.run().global_batch() / assembly_->mesh().data().size();
      place_->say("pipeline: {}", trainer::pipeline_text(config_.model(), config_.parallel(),
                                                         rows / config_.run().micro_batch()));
    }
    if (!run_.layout_reason.empty()) place_->say("layout: {}", run_.layout_reason);
    if (!rows_.text.empty()) place_->say("conversations: {}", rows_.text);
    place_->say("data: {} tokens, {} rows of {} in an epoch; the run trains on {} tokens, {:.2f} epochs",
                trainer::count_text(static_cast<double>(rows_.train->tokens())),
                rows_.train->rows_per_epoch(), config_.model().context(),
                trainer::count_text(static_cast<double>(run_tokens())),
                static_cast<double>(config_.run().steps() * config_.run().global_batch()) /
                    static_cast<double>(rows_.train->rows_per_epoch()));
    place_->say(
        "compute: {:.3g} FLOP a token (6 weights of matrices + 12 layers width context), {:.3g} in all; peak "
        "of a "
        "rank {:.3g} TFLOP/s{}",
        trainer::training_flops_per_token(config_.model()),
        trainer::training_flops_per_token(config_.model()) * static_cast<double>(run_tokens()),
        peak_flops_ / 1e12, config_.run().has_peak_tflops() ? "" : " as measured");
  }

  int64_t run_tokens() const {
    return config_.run().steps() * config_.run().global_batch() * config_.model().context();
  }

  // Where the run goes on, what it started from is the step folder that was the newest then.
  void keep_start(const std::string& newest) {
    std::string folder;
    parallel::together(world_, [&] {
      folder = newest.empty() ? trainer::CheckpointReader(config_.run().start_from()).folder().string()
                              : trainer::CheckpointReader(newest).manifest().config().run().start_from();
    });
    run_.config.mutable_run()->set_start_from(folder);
  }

  // What was foretold of this run before it began, if anything was: it goes into every checkpoint.
  void find_prediction() {
    parallel::together(world_, [&] {
      std::filesystem::path file = place_->file(trainer::kPredictionFile);
      if (!place_->first() || !std::filesystem::exists(file)) return;
      kept_files_[trainer::kPredictionFile] = data::read_file(file);
      auto foretold = trainer::registration_of(kept_files_[trainer::kPredictionFile], file.string());
      trainer::require_about(foretold, trainer::measured_out("", config_, config_.model().vocabulary()));
      place_->say("prediction: the held-out loss will come to {:.5f}; registered {}, sha256 {}",
                  foretold.loss, foretold.registered_at,
                  trainer::sha256_of(kept_files_[trainer::kPredictionFile]));
    });
  }

  void start() {
    if (!config_.run().has_start_from()) {
      trainer::initialise(assembly_->step().pieces(), config_.run().seed());
      assembly_->step().refresh_values();
      return;
    }
    parallel::together(world_, [&] {
      trainer::CheckpointReader reader(config_.run().start_from());
      trainer::check_start(reader, tokenizer_->fingerprint());
      trainer::start_weights(reader, config_.run().seed(), assembly_->step());
      kept_files_ = trainer::kept_files(reader);
    });
    assembly_->step().refresh_values();
  }

  void say_start() {
    if (config_.run().has_start_from())
      place_->say("starting from the weights of {}", config_.run().start_from());
  }

  void start_or_resume() {
    std::string path = place_->newest();
    if (stage_.learn_from_start) {
      keep_start(path);
      start();
      stage_.learn_from_start(*assembly_, world_);
    } else if (path.empty()) {
      start();
    }
    if (path.empty()) {
      say_start();
      return find_prediction();
    }
    std::vector<std::string> changed;
    parallel::together(world_, [&] {
      trainer::CheckpointReader reader(path);
      changed = trainer::check_resume(reader.manifest(), config_, rows_.train->fingerprint(),
                                      tokenizer_->fingerprint())
                    .changed;
      trainer::restore_training(reader, assembly_->step());
      start_ = Step(reader.manifest().step());
      left_out_ = trainer::recorded_updates_left_out(reader.manifest());
      kept_files_ = trainer::kept_files(reader);
      if (auto text = trainer::stored_prediction(reader)) kept_files_[trainer::kPredictionFile] = *text;
    });
    assembly_->step().refresh_values();
    place_->say("going on from {} (step {})", path, start_.value());
    for (const std::string& line : changed) place_->say("  changed since then: {}", line);
  }

  int train() {
    if (place_->is_over(start_)) return 0;
    std::string config_text = stage_.config_text(config_);
    std::unique_ptr<trainer::RunLog> log = place_->open_log(start_, config_text);
    trainer::CheckpointWriter checkpoints(place_->checkpoints(), world_,
                                          {config_.run().keep_last(), config_.run().keep_every()});
    trainer::Training training{
        config_,
        world_,
        assembly_->mesh().data(),
        assembly_->passes(),
        assembly_->step(),
        stage_.loss(config_),
        *rows_.train,
        held_out_,
        *tokenizer_,
        checkpoints,
        RunPlace::identity(rows_.train->fingerprint(), *tokenizer_, assembly_->mesh().layout_text()),
        RunPlace::side_files(kept_files_, *tokenizer_, config_text),
        log.get(),
        [this] { return stop_.requested(); },
        peak_flops_,
        trainer::Guard(config_.run().bad_steps_allowed(), left_out_),
        prompt_form_,
        {},
        {}};
    if (stage_.measure) training.measure = [&] { return stage_.measure(*assembly_, held_out_, world_); };
    if (stage_.complete) training.complete = [&] { stage_.complete(*assembly_, world_); };
    trainer::Outcome outcome = trainer::train(training, start_);
    return place_->end(outcome);
  }

  RunFile& run_;
  const trainer::Run& config_;
  const TrainingStage& stage_;
  parallel::MpiSession& session_;
  Group& world_;
  const trainer::StopSignal& stop_;
  std::optional<RunPlace> place_;
  std::optional<data::Tokenizer> tokenizer_;
  std::optional<Carrier> carrier_;
  std::optional<trainer::Assembly> assembly_;
  at::Device device_{at::kCPU};
  int threads_;
  StageRows rows_;
  trainer::PromptForm prompt_form_;
  trainer::HeldOut held_out_;
  double peak_flops_ = 0;
  std::map<std::string, std::string> kept_files_;  // of the model that the run started from
  Step start_;
  int64_t left_out_ = 0;
};

}  // namespace

trainer::PromptForm chat_prompts(const data::ChatSettings& settings, const trainer::Run& config,
                                 const data::Tokenizer& tokenizer) {
  auto chat = std::make_shared<const data::ChatTemplate>(settings, tokenizer,
                                                         data::brought_template(config.data().tokenizer()));
  auto ids = [chat](const std::string& prompt) { return chat->prompt({{data::Role::kUser, prompt}}); };
  return {ids, chat->end_of_turn()};
}

int train_one(RunFile& run, const TrainingStage& stage, const RankOfRuns& rank) {
  return TrainingSession(run, stage, rank).run();
}

int run_training(const std::function<int(const RankOfRuns&)>& body) {
  trainer::keep_host_memory();
  trainer::StopSignal stop;  // from here on a signal means: at the next step, in good order
  return run_on_ranks([&](parallel::MpiSession& session, Group& world) {
    return body({session, world, stop, share_out_threads(session.local_size())});
  });
}

int train_stage(RunFile& run, const TrainingStage& stage) {
  return run_training([&](const RankOfRuns& rank) { return train_one(run, stage, rank); });
}

}  // namespace sextant::launch
