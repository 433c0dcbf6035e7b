#include <ATen/ATen.h>
#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/chat/known_templates.h"
#include "launch/commands.h"
#include "launch/machine.h"
#include "launch/ranks.h"
#include "launch/run_place.h"
#include "launch/run_start.h"
#include "launch/yaml_command.h"
#include "parallel/agreement.h"
#include "rlhf/frozen_model.h"
#include "rlhf/policy.h"
#include "rlhf/ppo_rules.h"
#include "rlhf/stage_run.h"
#include "rlhf/startup_checks.h"
#include "trainer/checkpoint/kept_files.h"
#include "trainer/config/yaml_writer.h"
#include "trainer/host_memory.h"
#include "trainer/metrics/stop_signal.h"
#include "trainer/resume.h"
#include "trainer/start_from.h"
#include "trainer/state.h"

namespace sextant::launch {
namespace {

using parallel::Group;

constexpr const char* kConfig = "config.yaml";

// Which command runs: with a value model or by groups of answers.
enum class PolicyKind { kPpo, kGrpo };

// One start of a run on one rank, built up in the order of the methods.
class PpoSession {
 public:
  PpoSession(RunFile& run, rlhf::PpoRun& settings, parallel::MpiSession& session, Group& world,
             const trainer::StopSignal& stop)
      : run_(run), config_(run.config), settings_(settings), session_(session), world_(world), stop_(stop) {}

  int run() {
    parallel::together(world_, [&] { device_ = choose_device(config_.run().device(), session_); });
    tokenizer_.emplace(complete_run(run_, world_, resources_of(world_, session_, device_)));
    place_.emplace(config_, session_, world_);
    share_out_threads(session_.local_size());
    std::string newest = place_->newest();
    parallel::together(world_, [&] {
      if (!newest.empty()) read_beginning(newest);
      find_models();
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
  // How the run was when its newest checkpoint was made.
  void read_beginning(const std::string& newest) {
    checkpoint_ = std::make_unique<trainer::CheckpointReader>(newest);
    std::string name = (checkpoint_->folder() / kConfig).string();
    trainer::load_config_text(checkpoint_->side_file(kConfig), name, {}, before_, nullptr);
    config_.mutable_run()->set_start_from(checkpoint_->manifest().config().run().start_from());
    // What the file names by its run is the step folder that was newest there at the first start.
    rlhf::RewardSources& rewards = *settings_.mutable_rewards();
    if (rewards.has_model() && before_.rewards().model().starts_with(rewards.model()))
      rewards.set_model(before_.rewards().model());
  }

  // Reference and reward model are step folders that the run began with, also when the runs that they belong
  // to went on since.
  void find_models() {
    reference_ = std::make_unique<trainer::CheckpointReader>(config_.run().start_from());
    config_.mutable_run()->set_start_from(reference_->folder().string());
    trainer::check_start(*reference_, tokenizer_->fingerprint());
    kept_files_ = trainer::kept_files(*reference_);
    if (!settings_.rewards().has_model()) return;
    reward_ = std::make_unique<trainer::CheckpointReader>(settings_.rewards().model());
    settings_.mutable_rewards()->set_model(reward_->folder().string());
    rlhf::check_reward_model(*reward_, config_, tokenizer_->fingerprint());
  }

  void open_inputs() {
    form_.emplace(settings_.chat(), *tokenizer_, data::brought_template(config_.data().tokenizer()));
    rlhf::check_template(*form_);
    int64_t longest = config_.model().context() - settings_.ppo().response_tokens();
    const auto& paths = settings_.ppo().prompts();
    prompts_ =
        rlhf::read_prompts({"ppo", {paths.begin(), paths.end()}, "", longest}, settings_.chat(), *form_);
    if (settings_.rewards().has_rubric()) {
      rlhf::Rubric rubric;
      trainer::load_config(settings_.rewards().rubric(), {}, rubric, nullptr);
      rubric_ = std::make_unique<rlhf::RubricScorer>(rubric, settings_.rewards().rubric(), device_);
    }
    parallel::Layout layout = parallel::layout_for(config_.parallel(), world_.size());
    data::LoaderShape shape =
        trainer::rows_shape(config_, parallel::coordinate_of(layout, world_.rank()).data, layout.data);
    if (config_.data().valid_size() > 0 || config_.data().valid_fraction() > 0) open_held_out(shape);
    if (settings_.ppo().pretraining().rows_per_episode() == 0) return;
    shape.global_batch *= settings_.ppo().pretraining().rows_per_episode();
    pretraining_ = std::make_unique<data::Loader>(config_.data(), shape, data::Split::kTrain);
  }

  // Held-out rows are a microbatch a step, the same for every rank.
  void open_held_out(data::LoaderShape shape) {
    shape.global_batch = shape.micro_batch;
    shape.slice = 0;
    shape.slices = 1;
    valid_ = std::make_unique<data::Loader>(config_.data(), shape, data::Split::kValid);
    int64_t rows = std::min(config_.run().evaluate_sequences(), valid_->rows_per_epoch());
    held_out_ = {valid_.get(), std::max<int64_t>(1, rows / shape.micro_batch)};
  }

  void build() {
    policy_.emplace(config_, carrier_->group(), device_);
    if (rlhf::has_values(settings_.ppo())) {
      value_config_ = rlhf::value_run(settings_, config_, reward_.get());
      value_.emplace(value_config_, carrier_->group(), device_);
    }
    frozen(reference_model_, *reference_, config_.model(), settings_.ppo().reference_placement());
    if (reward_ != nullptr)
      frozen(reward_model_, *reward_, reward_->manifest().config().model(),
             settings_.rewards().model_placement());
    average_.emplace(policy_->step().pieces(), settings_.ppo().average_decay());
    kl_.emplace(settings_.ppo().kl());
  }

  void frozen(std::optional<rlhf::FrozenModel>& place, const trainer::CheckpointReader& reader,
              const trainer::ModelSettings& model, rlhf::Placement::Kind placement) {
    place.emplace(
        model, config_, *policy_, carrier_->group(), placement,
        [&reader](const trainer::ParameterList& weights) { trainer::restore_weights(reader, weights); });
  }

  void start_or_resume() {
    if (checkpoint_ == nullptr) return start();
    std::vector<std::string> changed;
    parallel::together(world_, [&] {
      changed = trainer::check_resume(checkpoint_->manifest(), config_, prompts_.fingerprint,
                                      tokenizer_->fingerprint())
                    .changed;
      for (std::string& line : rlhf::changed_own_settings(before_, settings_))
        changed.push_back(std::move(line));
      tokens_ = rlhf::restore_policy(*checkpoint_, *policy_, value(), *average_, *kl_);
      start_ = Step(checkpoint_->manifest().step());
      left_out_ = trainer::recorded_updates_left_out(checkpoint_->manifest());
    });
    refresh();
    place_->say("going on from {} (step {})", checkpoint_->folder().string(), start_.value());
    for (const std::string& line : changed) place_->say("  changed since then: {}", line);
  }

  void start() {
    parallel::together(world_, [&] {
      trainer::restore_weights(*reference_, policy_->step());
      if (!value_) return;
      const trainer::CheckpointReader& values = reward_ == nullptr ? *reference_ : *reward_;
      trainer::start_weights(values, config_.run().seed(), value_->step());
    });
    refresh();
    average_.emplace(policy_->step().pieces(), settings_.ppo().average_decay());
    std::string values = reward_ == nullptr ? "them and a new head" : reward_->folder().string();
    place_->say("starting from the weights of {}{}", reference_->folder().string(),
                value_ ? "; values from " + values : "");
  }

  trainer::Assembly* value() { return value_ ? &*value_ : nullptr; }

  void refresh() {
    policy_->step().refresh_values();
    if (value_) value_->step().refresh_values();
  }

  int train() {
    if (place_->is_over(start_)) return 0;
    place_->say("{} prompts ({} lines left out, {} too long), {} episodes a step in updates of {}",
                prompts_.prompts.size(), prompts_.bad_lines, prompts_.too_long, settings_.ppo().episodes(),
                config_.run().global_batch());
    if (prompts_.bad_lines > 0) place_->say("  the first: {}", prompts_.first_fault);
    std::string config_text = trainer::to_yaml(settings_);
    std::unique_ptr<trainer::RunLog> log = place_->open_log(start_, config_text);
    std::unique_ptr<trainer::AppendFile> episodes_log;
    parallel::together(world_, [&] {
      if (place_->first())
        episodes_log = std::make_unique<trainer::AppendFile>(place_->file("samples.jsonl"));
    });
    trainer::CheckpointWriter checkpoints(place_->checkpoints(), world_,
                                          {config_.run().keep_last(), config_.run().keep_every()});
    rlhf::PolicyTraining training{
        settings_,
        config_,
        world_,
        *policy_,
        value(),
        *reference_model_,
        reward_model_ ? &*reward_model_ : nullptr,
        rubric_.get(),
        prompts_,
        *form_,
        *tokenizer_,
        pretraining_.get(),
        held_out_,
        *average_,
        *kl_,
        checkpoints,
        RunPlace::identity(prompts_.fingerprint, *tokenizer_, policy_->mesh().layout_text()),
        RunPlace::side_files(kept_files_, *tokenizer_, config_text),
        log.get(),
        episodes_log.get(),
        [this] { return stop_.requested(); },
        trainer::Guard(config_.run().bad_steps_allowed(), left_out_),
        tokens_};
    return place_->end(rlhf::train_policy(training, start_));
  }

  RunFile& run_;
  trainer::Run& config_;
  rlhf::PpoRun& settings_;
  parallel::MpiSession& session_;
  Group& world_;
  const trainer::StopSignal& stop_;
  std::optional<RunPlace> place_;
  std::optional<data::Tokenizer> tokenizer_;
  at::Device device_{at::kCPU};
  rlhf::PpoRun before_;  // of the checkpoint that the run goes on from
  std::unique_ptr<trainer::CheckpointReader> checkpoint_, reference_, reward_;
  std::map<std::string, std::string> kept_files_;
  std::optional<data::ChatTemplate> form_;
  rlhf::PromptSet prompts_;
  std::unique_ptr<rlhf::RubricScorer> rubric_;
  std::unique_ptr<data::Loader> pretraining_, valid_;
  trainer::HeldOut held_out_;
  std::optional<Carrier> carrier_;
  trainer::Run value_config_;
  std::optional<trainer::Assembly> policy_, value_;
  std::optional<rlhf::FrozenModel> reference_model_, reward_model_;
  std::optional<rlhf::MovingAverage> average_;
  std::optional<rlhf::KlController> kl_;
  Step start_;
  int64_t left_out_ = 0, tokens_ = 0;
};

int run_policy(const YamlSource& options, PolicyKind kind) {
  rlhf::PpoRun settings;
  RunFile run = read_stage(options.file, options.overrides, settings, trainer::ModelSettings::tokens);
  trainer::check(rlhf::ppo_complaints(settings), run.origins);
  bool values = rlhf::has_values(settings.ppo());
  if (kind == PolicyKind::kPpo && !values) {
    trainer::check(
        {{"ppo.advantages", fmt::format("{} needs no value model; run `sextant grpo` with this file",
                                        rlhf::PpoSettings::Advantages_Name(settings.ppo().advantages()))}},
        run.origins);
  }
  if (kind == PolicyKind::kGrpo && values) {
    trainer::check(
        {{"ppo.advantages",
          "generalised ones need a value model; set it to group, group_mean or leave_one_out, or run "
          "`sextant ppo`"}},
        run.origins);
  }
  trainer::keep_host_memory();
  trainer::StopSignal stop;
  return run_on_ranks([&](parallel::MpiSession& session, Group& world) {
    return PpoSession(run, settings, session, world, stop).run();
  });
}

void add_policy_command(CLI::App& app, PolicyKind kind, const std::string& name, const std::string& what) {
  add_yaml_command(
      app, name, what, "YAML file of the run",
      fmt::format("Example: mpirun -n 2 sextant {0} configs/rlhf/quickstart_{0}.yaml run.steps=20", name),
      [kind](const YamlSource& source) { return run_policy(source, kind); });
}

}  // namespace

void add_ppo(CLI::App& app) {
  add_policy_command(app, PolicyKind::kPpo, "ppo",
                     "Train a policy by a reward model and a rubric, with PPO; start it again to go on");
  add_policy_command(app, PolicyKind::kGrpo, "grpo",
                     "The same without a value model, by answers to the same prompt: GRPO, Dr. GRPO, RLOO");
}

}  // namespace sextant::launch
