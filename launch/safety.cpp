#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <vector>

#include "data/durable_file.h"
#include "launch/commands.h"
#include "launch/machine.h"
#include "launch/ranks.h"
#include "launch/yaml_command.h"
#include "parallel/agreement.h"
#include "parallel/base/error.h"
#include "rlhf/safety_report.h"
#include "rlhf/stage_run.h"
#include "trainer/config/load.h"
#include "trainer/host_memory.h"
#include "trainer/run_folder.h"

namespace sextant::launch {
namespace {

using parallel::Group;

// One evaluation on one rank.
class SafetySession {
 public:
  SafetySession(const rlhf::SafetyRun& run, parallel::MpiSession& session, Group& world)
      : run_(run), settings_(run.safety()), session_(session), world_(world) {}

  int run() {
    trainer::RunFolder folder(settings_.folder(), world_);
    share_out_threads(session_.local_size());
    parallel::together(world_, [&] { open(); });
    std::vector<rlhf::ModelAnswers> answers;
    answers.reserve(models_.size());
    for (size_t i = 0; i < models_.size(); ++i) answers.push_back(ask(i));
    nlohmann::ordered_json report;
    parallel::together(world_, [&] {
      report = rlhf::safety_report(settings_, answers);
      if (world_.rank() != Rank(0)) return;
      data::write_file(folder.path() / "safety.json", report.dump(1) + "\n");
      data::write_file(folder.path() / "samples.jsonl", rlhf::safety_samples(answers));
      std::printf("%s%s\n", rlhf::safety_table(report).c_str(), (folder.path() / "safety.json").c_str());
      std::fflush(stdout);
    });
    return report["failures"].empty() ? 0 : exit_code(ErrorKind::kEnvironment);
  }

 private:
  const rlhf::SafetyRun& run_;
  const rlhf::SafetySettings& settings_;
  parallel::MpiSession& session_;
  Group& world_;
  std::unique_ptr<rlhf::RubricScorer> rubric_;
  std::vector<rlhf::TalkingModel> models_;
  std::vector<rlhf::PromptSet> prompts_;  // of each model, by its own tokenizer
  int64_t context_ = 0;                   // the shortest

  void open() {
    at::Device device = choose_device(trainer::RunSettings::automatic, session_);
    rlhf::Rubric rubric;
    trainer::load_config(settings_.rubric(), {}, rubric, nullptr);
    rubric_ = std::make_unique<rlhf::RubricScorer>(rubric, settings_.rubric(), device);
    for (const rlhf::SafetyModel& model : settings_.models()) {
      models_.push_back(rlhf::talking_model(model.checkpoint(), run_.chat(), device));
      int64_t context = models_.back().model->settings().context();
      context_ = context_ == 0 ? context : std::min(context_, context);
    }
    for (const rlhf::TalkingModel& model : models_) {
      rlhf::PromptFiles files{"safety",
                              {settings_.prompts().begin(), settings_.prompts().end()},
                              settings_.split(),
                              context_ - settings_.response_tokens()};
      prompts_.push_back(rlhf::read_prompts(files, run_.chat(), *model.form));
      require(prompts_.back().prompts.size() == prompts_.front().prompts.size(),
              "prompts are too long for one of the models and not for another; lower safety.response_tokens, "
              "or shorten them");
    }
    rlhf::check_measures(settings_, rubric_->sources(), prompts_.front());
  }

  rlhf::ModelAnswers ask(size_t i) {
    const rlhf::TalkingModel& model = models_[i];
    rlhf::ModelAnswers answers{settings_.models(static_cast<int>(i)).name(),
                               model.folder.string(),
                               rlhf::answer_prompts(settings_, model, prompts_[i], *rubric_, world_),
                               {}};
    if (!settings_.held_out().empty())
      answers.loss = rlhf::held_out_loss_of(settings_, model, context_, world_);
    if (world_.rank() == Rank(0)) {
      std::printf("%s: %zu answers by %s\n", answers.name.c_str(), answers.episodes.size(),
                  answers.checkpoint.c_str());
      std::fflush(stdout);
    }
    return answers;
  }
};

int safety(const YamlSource& options) {
  rlhf::SafetyRun run;
  trainer::Origins origins;
  trainer::load_config(options.file, options.overrides, run, &origins);
  if (!run.safety().has_folder())
    run.mutable_safety()->set_folder("runs/" + std::filesystem::path(options.file).stem().string());
  trainer::check(rlhf::safety_complaints(run), origins);
  trainer::keep_host_memory();
  return run_on_ranks(
      [&](parallel::MpiSession& session, Group& world) { return SafetySession(run, session, world).run(); });
}

}  // namespace

void add_safety(CLI::App& app) {
  add_yaml_command(app, "safety",
                   "Ask models what is disallowed, sensitive and harmless, and count what they answer",
                   "YAML file of the evaluation (docs/alignment.md)",
                   "Example: mpirun -n 2 sextant safety configs/rlhf/quickstart_safety.yaml", safety);
}

}  // namespace sextant::launch
