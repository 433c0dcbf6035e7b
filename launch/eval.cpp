#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/chat/chat_template.h"
#include "data/chat/known_templates.h"
#include "data/durable_file.h"
#include "launch/commands.h"
#include "launch/eval.h"
#include "launch/machine.h"
#include "launch/ranks.h"
#include "launch/run_start.h"
#include "launch/stored_model.h"
#include "launch/yaml_command.h"
#include "parallel/agreement.h"
#include "parallel/mesh.h"
#include "trainer/checkpoint/checkpoint.h"
#include "trainer/evaluation/endpoint_model.h"
#include "trainer/evaluation/evaluate.h"
#include "trainer/evaluation/load_eval.h"
#include "trainer/evaluation/local_model.h"
#include "trainer/evaluation/results.h"
#include "trainer/metrics/progress.h"
#include "trainer/metrics/stop_signal.h"
#include "trainer/run_folder.h"

namespace sextant::launch {
namespace {

using parallel::Group;

// One start of an evaluation on one rank.
class EvalSession {
 public:
  EvalSession(const trainer::EvalRun& run, parallel::MpiSession& session, Group& world,
              const trainer::StopSignal& stop)
      : run_(run), settings_(run.eval()), session_(session), world_(world), stop_(stop) {}

  int run() {
    trainer::RunFolder folder(settings_.folder(), world_);
    session_.watch(run_.parallel().collective_timeout_seconds(), folder.path() / "ranks");
    share_out_threads(session_.local_size());
    parallel::together(world_, [&] { device_ = choose_device(trainer::RunSettings::automatic, session_); });
    carrier_.emplace(world_, device_, session_);
    parallel::alike([&] { mesh_.emplace(run_.parallel(), carrier_->group()); });
    parallel::together(world_, [&] {
      if (trainer::runs_programs(settings_)) sandbox_.emplace(settings_);
      if (settings_.endpoint().has_url()) {
        endpoint_.emplace(settings_.endpoint());
      } else {
        stored_.emplace(load_model(settings_.checkpoint(), device_, run_.parallel(), *mesh_));
      }
      if (settings_.judge().has_endpoint()) judge_endpoint_.emplace(settings_.judge().endpoint());
      if (settings_.judge().has_checkpoint())
        judge_.emplace(load_model(settings_.judge().checkpoint(), device_, run_.parallel(), *mesh_));
      for (const trainer::EvalTask& task : settings_.tasks())
        items_.push_back(trainer::read_items(task, settings_, stored_ ? &stored_->tokenizer : nullptr));
    });
    open_records(folder.path());
    std::optional<Speaker> tested, judge;
    if (stored_) tested.emplace(*this, *stored_);
    if (judge_) judge.emplace(*this, *judge_);
    trainer::EvalModel& model = endpoint_ ? static_cast<trainer::EvalModel&>(*endpoint_) : *tested->model;
    trainer::EvalModel& grader = judge_endpoint_ ? static_cast<trainer::EvalModel&>(*judge_endpoint_)
                                 : judge         ? *judge->model
                                                 : model;
    trainer::EvalTools tools{model, grader, sandbox_ ? &*sandbox_ : nullptr};
    auto outcome = trainer::evaluate_items(
        tools, settings_, items_, *mesh_, world_, records_ ? &*records_ : nullptr,
        [](const trainer::EvalProgress& progress) { tell(progress); }, [&] { return stop_.requested(); });
    if (outcome == trainer::EvalOutcome::kStopped) {
      say(fmt::format("stopped in good order; start again to go on with {}", settings_.folder()));
      return exit_code(ErrorKind::kStopped);
    }
    parallel::together(world_, [&] { write_results(folder.path()); });
    return 0;
  }

 private:
  const trainer::EvalRun& run_;
  const trainer::EvalSettings& settings_;
  parallel::MpiSession& session_;
  Group& world_;
  const trainer::StopSignal& stop_;
  at::Device device_{at::kCPU};
  std::optional<Carrier> carrier_;
  std::optional<parallel::Mesh> mesh_;
  std::optional<StoredModel> stored_, judge_;
  std::optional<trainer::EndpointModel> endpoint_;        // instead of stored_
  std::optional<trainer::EndpointModel> judge_endpoint_;  // instead of judge_
  trainer::EvalItems items_;
  std::optional<trainer::CodeSandbox> sandbox_;
  std::optional<trainer::EvalRecords> records_;  // of rank 0

  // A stored model that answers, all ranks of its pipeline together.
  struct Speaker {
    std::optional<data::ChatTemplate> chat;
    trainer::Passes passes;
    std::optional<trainer::LocalModel> model;

    Speaker(const EvalSession& session, const StoredModel& stored)
        : passes(*stored.model, session.mesh_->pipeline(), session.run_.parallel()) {
      parallel::together(session.world_, [&] {
        if (session.speaks())
          chat.emplace(session.run_.chat(), stored.tokenizer,
                       data::brought_template(stored.folder / "tokenizer.json"));
      });
      trainer::TextForm form{stored.tokenizer, stored.opening_tokens, stored.model->settings().context()};
      model.emplace(passes, form, stored.stop_tokens, chat ? &*chat : nullptr);
    }
  };

  // Whether any item is a conversation, or becomes one with a judge.
  bool speaks() const {
    bool judged = std::any_of(settings_.tasks().begin(), settings_.tasks().end(), [](const auto& task) {
      return task.grading() == trainer::EvalTask::model_graded;
    });
    return judged || std::any_of(items_.begin(), items_.end(), [](const auto& items) {
             return std::any_of(items.begin(), items.end(),
                                [](const auto& item) { return !item.messages.empty(); });
           });
  }

  void say(const std::string& line) const {
    if (world_.rank() != Rank(0)) return;
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
  }

  static void tell(const trainer::EvalProgress& progress) {
    double left = static_cast<double>(progress.of - progress.done) / progress.items_per_second;
    std::printf("%ld of %ld items, %.1f a second, left %s\n", static_cast<long>(progress.done),
                static_cast<long>(progress.of), progress.items_per_second,
                trainer::duration_text(left).c_str());
    std::fflush(stdout);
  }

  void open_records(const std::filesystem::path& folder) {
    size_t there = 0;
    parallel::together(world_, [&] {
      if (world_.rank() != Rank(0)) return;
      std::optional<trainer::CheckpointReader> tested, judge;
      if (stored_) tested.emplace(stored_->folder);
      if (judge_) judge.emplace(judge_->folder);
      records_.emplace(
          folder, trainer::eval_identity(settings_, items_, tested ? tested->manifest() : trainer::Manifest(),
                                         judge ? &judge->manifest() : nullptr));
      there = records_->records().size();
    });
    int64_t all = 0;
    for (const auto& items : items_) all += std::ssize(items);
    say(fmt::format("{} tasks of {} items on {}; layout {}", items_.size(), all,
                    stored_ ? stored_->folder.string() : settings_.endpoint().url(), mesh_->layout_text()));
    if (there > 0) say(fmt::format("going on: {} items have their records", there));
  }

  void write_results(const std::filesystem::path& folder) {
    if (world_.rank() != Rank(0)) return;
    std::vector<std::string> tasks;
    for (const trainer::EvalTask& task : settings_.tasks()) tasks.push_back(task.name());
    records_->put_in_order(tasks);
    auto results = trainer::results_of(settings_, records_->records());
    data::write_file(folder / "results.json", results.dump(1) + "\n");
    std::printf("%s%s\n", trainer::results_table(results).c_str(), (folder / "results.json").c_str());
  }
};

int evaluate(const YamlSource& options) {
  trainer::EvalRun run = trainer::load_eval(options.file, options.overrides, nullptr);
  trainer::StopSignal stop;
  return run_on_ranks([&](parallel::MpiSession& session, Group& world) {
    return EvalSession(run, session, world, stop).run();
  });
}

}  // namespace

void add_eval(CLI::App& app) {
  auto options = std::make_shared<YamlSource>();
  CLI::App* command = app.add_subcommand("eval", "Measure a model on tasks; start it again to go on");
  add_yaml(*command, *options, "YAML file of the tasks (docs/evals.md)")->required(false);
  command->footer(
      "Example: mpirun -n 2 sextant eval configs/evals/arc_easy.yaml "
      "eval.checkpoint=runs/quickstart/pretrain "
      "eval.data_folder=data/evals");
  add_eval_compare(*command);
  command->callback([options, command] {
    if (!command->get_subcommands().empty()) return;
    if (options->file.empty()) throw CLI::RequiredError("file");
    if (int code = evaluate(*options); code != 0) throw CLI::RuntimeError(code);
  });
}

}  // namespace sextant::launch
