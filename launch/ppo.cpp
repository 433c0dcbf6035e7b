#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/chat/known_templates.h"
#include "data/durable_file.h"
#include "launch/commands.h"
#include "launch/machine.h"
#include "launch/ranks.h"
#include "launch/run_start.h"
#include "launch/version.h"
#include "parallel/agreement.h"
#include "rlhf/policy.h"
#include "rlhf/ppo_rules.h"
#include "rlhf/stage_run.h"
#include "rlhf/startup_checks.h"
#include "trainer/checkpoint/kept_files.h"
#include "trainer/config/yaml_writer.h"
#include "trainer/host_memory.h"
#include "trainer/metrics/stop_signal.h"
#include "trainer/resume.h"
#include "trainer/run_folder.h"
#include "trainer/start_from.h"
#include "trainer/state.h"

namespace sextant::launch {
namespace {

using parallel::Group;

struct PpoOptions {
  std::string file;
  std::vector<std::string> overrides;
};

// One start of a run of PPO on one rank, built up in the order of the methods.
class PpoSession {
 public:
  PpoSession(RunFile& run, rlhf::PpoRun& settings, parallel::MpiSession& session, Group& world,
             const trainer::StopSignal& stop)
      : run_(run), config_(run.config), settings_(settings), session_(session), world_(world), stop_(stop) {}

  int run() {
    parallel::together(world_, [&] { device_ = choose_device(config_.run().device(), session_); });
    tokenizer_.emplace(complete_run(run_, world_, resources_of(world_, session_, device_)));
    trainer::RunFolder folder(config_.run().folder(), world_);
    folder_ = &folder;
    session_.watch(config_.parallel().collective_timeout_seconds(), folder.path() / "ranks");
    share_out_threads(session_.local_size());
    std::string newest = this->newest();
    parallel::together(world_, [&] {
      if (!newest.empty()) checkpoint_ = std::make_unique<trainer::CheckpointReader>(newest);
      find_reference();
    });
    rlhf::set_base(config_, settings_);
    trainer::set_constant_defaults(settings_);
    parallel::together(world_, [&] { open_inputs(); });
    carrier_.emplace(world_, device_, session_);
    parallel::alike([&] { build(); });
    start_or_resume();
    return train();
  }

 private:
  bool first() const { return world_.rank() == Rank(0); }

  template <class... Values>
  void say(fmt::format_string<Values...> text, Values&&... values) const {
    if (!first()) return;
    std::printf("%s\n", fmt::format(text, std::forward<Values>(values)...).c_str());
    std::fflush(stdout);
  }

  std::string newest() const {
    std::string found;
    if (first()) {
      if (auto path = trainer::newest_checkpoint(folder_->checkpoints())) found = path->string();
    }
    return parallel::gather_bytes(world_, found)[0];
  }

  // The reference is the step folder that the run began with, also when the run that it belongs to went on
  // since.
  void find_reference() {
    if (checkpoint_ != nullptr) {
      config_.mutable_run()->set_start_from(checkpoint_->manifest().config().run().start_from());
    }
    reference_ = std::make_unique<trainer::CheckpointReader>(config_.run().start_from());
    config_.mutable_run()->set_start_from(reference_->folder().string());
    trainer::check_start(*reference_, tokenizer_->fingerprint());
    kept_files_ = trainer::kept_files(*reference_);
    if (!settings_.rewards().has_model()) return;
    reward_ = std::make_unique<trainer::CheckpointReader>(settings_.rewards().model());
    rlhf::check_reward_model(*reward_, config_, tokenizer_->fingerprint());
  }

  void open_inputs() {
    form_.emplace(settings_.chat(), *tokenizer_, data::brought_template(config_.data().tokenizer()));
    rlhf::check_template(*form_);
    int64_t longest = config_.model().context() - settings_.ppo().response_tokens();
    prompts_ = rlhf::read_prompts(settings_.ppo(), settings_.chat(), *form_, longest);
    if (settings_.rewards().has_rubric()) {
      rlhf::Rubric rubric;
      trainer::load_config(settings_.rewards().rubric(), {}, rubric, nullptr);
      rubric_ = std::make_unique<rlhf::RubricScorer>(rubric, settings_.rewards().rubric(), device_);
    }
    if (settings_.ppo().pretraining().rows_per_episode() == 0) return;
    parallel::Layout layout = parallel::layout_for(config_.parallel(), world_.size());
    data::LoaderShape shape =
        trainer::rows_shape(config_, parallel::coordinate_of(layout, world_.rank()).data, layout.data);
    shape.global_batch *= settings_.ppo().pretraining().rows_per_episode();
    pretraining_ = std::make_unique<data::Loader>(config_.data(), shape, data::Split::kTrain);
  }

  void build() {
    policy_.emplace(config_, carrier_->group(), device_);
    value_config_ = rlhf::value_run(settings_, config_, reward_.get());
    value_.emplace(value_config_, carrier_->group(), device_);
    reference_model_ = frozen(*reference_, config_.model());
    if (reward_ != nullptr) reward_model_ = frozen(*reward_, reward_->manifest().config().model());
    average_.emplace(policy_->step().pieces(), settings_.ppo().average_decay());
    kl_.emplace(settings_.ppo().kl());
  }

  // A model that is read and never trained, shared out as the policy is.
  std::unique_ptr<trainer::Transformer> frozen(const trainer::CheckpointReader& reader,
                                               const trainer::ModelSettings& model) {
    trainer::ModelPart part = policy_->model().part();
    part.stages.clear();
    auto made = std::make_unique<trainer::Transformer>(model, trainer::NumericsSettings::none,
                                                       trainer::precision_of(config_.numerics().compute()),
                                                       device_, part);
    trainer::restore_weights(reader, made->parameters());
    for (const auto& parameter : made->parameters()) parameter->master = at::Tensor();
    return made;
  }

  void start_or_resume() {
    if (checkpoint_ == nullptr) return start();
    std::vector<std::string> changed;
    parallel::together(world_, [&] {
      changed = trainer::check_resume(checkpoint_->manifest(), config_, prompts_.fingerprint,
                                      tokenizer_->fingerprint())
                    .changed;
      tokens_ = rlhf::restore_policy(*checkpoint_, *policy_, *value_, *average_, *kl_);
      start_ = Step(checkpoint_->manifest().step());
      left_out_ = trainer::recorded_updates_left_out(checkpoint_->manifest());
    });
    refresh();
    say("going on from {} (step {})", checkpoint_->folder().string(), start_.value());
    for (const std::string& line : changed) say("  changed since then: {}", line);
  }

  void start() {
    parallel::together(world_, [&] {
      trainer::restore_weights(*reference_, policy_->step());
      const trainer::CheckpointReader& values = reward_ == nullptr ? *reference_ : *reward_;
      trainer::start_weights(values, config_.run().seed(), value_->step());
    });
    refresh();
    average_.emplace(policy_->step().pieces(), settings_.ppo().average_decay());
    say("starting from the weights of {}; values from {}", reference_->folder().string(),
        reward_ == nullptr ? "them and a new head" : reward_->folder().string());
  }

  void refresh() {
    policy_->step().refresh_values();
    value_->step().refresh_values();
  }

  int train() {
    int64_t last = config_.run().has_stop_at() ? std::min(config_.run().stop_at(), config_.run().steps())
                                               : config_.run().steps();
    if (start_.value() >= last) {
      say("nothing left to do: step {} of {} is reached; raise run.steps or give another run.folder",
          start_.value(), last);
      return 0;
    }
    say("{} prompts ({} lines left out, {} too long), {} episodes a step in updates of {}",
        prompts_.prompts.size(), prompts_.bad_lines, prompts_.too_long, settings_.ppo().episodes(),
        config_.run().global_batch());
    if (prompts_.bad_lines > 0) say("  the first: {}", prompts_.first_fault);
    std::unique_ptr<trainer::RunLog> log;
    std::unique_ptr<trainer::AppendFile> episodes_log;
    std::string config_text = trainer::to_yaml(settings_);
    parallel::together(world_, [&] {
      if (!first()) return;
      data::write_file(folder_->path() / "config.yaml", config_text);
      log = std::make_unique<trainer::RunLog>(folder_->path(), config_.run(), start_, Step(last));
      episodes_log = std::make_unique<trainer::AppendFile>(folder_->path() / "samples.jsonl");
    });
    std::map<std::string, std::string> side_files = kept_files_;
    side_files["tokenizer.json"] = tokenizer_->to_json();
    side_files["config.yaml"] = config_text;
    trainer::CheckpointWriter checkpoints(folder_->checkpoints(), world_,
                                          {config_.run().keep_last(), config_.run().keep_every()});
    rlhf::PolicyTraining training{settings_,
                                  config_,
                                  world_,
                                  *policy_,
                                  *value_,
                                  *reference_model_,
                                  reward_model_.get(),
                                  rubric_.get(),
                                  prompts_,
                                  *form_,
                                  *tokenizer_,
                                  pretraining_.get(),
                                  *average_,
                                  *kl_,
                                  checkpoints,
                                  identity(),
                                  side_files,
                                  log.get(),
                                  episodes_log.get(),
                                  [this] { return stop_.requested(); },
                                  trainer::Guard(config_.run().bad_steps_allowed(), left_out_),
                                  tokens_};
    trainer::Outcome outcome = rlhf::train_policy(training, start_);
    std::string path = newest();
    if (outcome == trainer::Outcome::kStopped) {
      say("stopped in good order; {} holds everything, start again to go on", path);
      return exit_code(ErrorKind::kStopped);
    }
    say("done: {}", path.empty() ? folder_->path().string() : path);
    return 0;
  }

  trainer::Manifest identity() const {
    trainer::Manifest manifest;
    manifest.set_data_fingerprint(prompts_.fingerprint);
    manifest.set_tokenizer_fingerprint(tokenizer_->fingerprint());
    manifest.set_layout(policy_->mesh().layout_text());
    manifest.set_program(program_text());
    return manifest;
  }

  RunFile& run_;
  trainer::Run& config_;
  rlhf::PpoRun& settings_;
  parallel::MpiSession& session_;
  Group& world_;
  const trainer::StopSignal& stop_;
  trainer::RunFolder* folder_ = nullptr;
  std::optional<data::Tokenizer> tokenizer_;
  at::Device device_{at::kCPU};
  std::unique_ptr<trainer::CheckpointReader> checkpoint_, reference_, reward_;
  std::map<std::string, std::string> kept_files_;
  std::optional<data::ChatTemplate> form_;
  rlhf::PromptSet prompts_;
  std::unique_ptr<rlhf::RubricScorer> rubric_;
  std::unique_ptr<data::Loader> pretraining_;
  std::optional<Carrier> carrier_;
  trainer::Run value_config_;
  std::optional<trainer::Assembly> policy_, value_;
  std::unique_ptr<trainer::Transformer> reference_model_, reward_model_;
  std::optional<rlhf::MovingAverage> average_;
  std::optional<rlhf::KlController> kl_;
  Step start_;
  int64_t left_out_ = 0, tokens_ = 0;
};

int ppo(const PpoOptions& options) {
  rlhf::PpoRun settings;
  RunFile run = read_stage(options.file, options.overrides, settings, trainer::ModelSettings::tokens);
  trainer::check(rlhf::ppo_complaints(settings), run.origins);
  trainer::keep_host_memory();
  trainer::StopSignal stop;
  return run_on_ranks([&](parallel::MpiSession& session, Group& world) {
    return PpoSession(run, settings, session, world, stop).run();
  });
}

}  // namespace

void add_ppo(CLI::App& app) {
  auto options = std::make_shared<PpoOptions>();
  CLI::App* command = app.add_subcommand(
      "ppo", "Train a policy by a reward model and a rubric, with PPO; start it again to go on");
  command->add_option("file", options->file, "YAML file of the run")->required();
  command->add_option("overrides", options->overrides, "key.path=value, over what the file says");
  command->footer("Example: mpirun -n 2 sextant ppo configs/rlhf/quickstart_ppo.yaml run.steps=20");
  command->callback([options] {
    if (int code = ppo(*options); code != 0) throw CLI::RuntimeError(code);
  });
}

}  // namespace sextant::launch
