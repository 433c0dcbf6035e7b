#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/chat/conversation_set.h"
#include "data/durable_file.h"
#include "launch/machine.h"
#include "launch/ranks.h"
#include "launch/rubric.h"
#include "launch/yaml_command.h"
#include "parallel/agreement.h"
#include "parallel/base/error.h"
#include "rlhf/rubric_comparisons.h"
#include "trainer/config/load.h"
#include "trainer/config/yaml_writer.h"

namespace sextant::launch {
namespace {

using parallel::Group;

std::vector<std::filesystem::path> paths_in(const google::protobuf::RepeatedPtrField<std::string>& files) {
  return {files.begin(), files.end()};
}

// What is learnt from, and what is only measured.
struct FitSets {
  rlhf::ComparedFeatures learned, held_out;
};

FitSets read_sets(const rlhf::RubricFitRun& run, const rlhf::RubricFeatures& features,
                  const rlhf::TalkingModel* model, Group& world) {
  const rlhf::RubricFitSettings& settings = run.fit();
  FitSets sets;
  sets.learned = rlhf::compared_features(paths_in(settings.train()), run.chat(), features, model, world);
  if (!settings.valid().empty()) {
    sets.held_out = rlhf::compared_features(paths_in(settings.valid()), run.chat(), features, model, world);
  } else if (settings.valid_fraction() > 0) {
    auto rest =
        data::split_conversations(std::ssize(sets.learned), settings.valid_fraction(), data::Split::kValid);
    sets.held_out.assign(sets.learned.begin() + rest.first, sets.learned.begin() + rest.last);
    sets.learned.resize(static_cast<size_t>(rest.first));
  }
  parallel::alike([&] {
    require(!sets.learned.empty(),
            "fit.train: no comparison is left to learn from; lower fit.valid_fraction");
  });
  return sets;
}

std::string report_line(const char* what, const rlhf::ComparedFeatures& prompts,
                        const std::vector<double>& weights, double margin) {
  rlhf::HingeReport report = rlhf::hinge_report(prompts, weights, margin);
  return fmt::format("  {:<22} hinge loss {:.4f}, accuracy {:.4f}\n", what, report.loss, report.accuracy);
}

// How no rubric, the rubric as it was and the fitted one do.
std::string reports(const char* name, const rlhf::ComparedFeatures& prompts,
                    const std::vector<double>& before, const std::vector<double>& after, double margin) {
  std::vector<double> none(before.size());
  double pairs = rlhf::hinge_report(prompts, none, margin).pairs;
  return fmt::format("{}: {:.0f} pairs\n", name, pairs) +
         report_line("without the rubric", prompts, none, margin) +
         report_line("as it was", prompts, before, margin) + report_line("fitted", prompts, after, margin);
}

int fit(const rlhf::RubricFitRun& run, parallel::MpiSession& session, Group& world) {
  const rlhf::RubricFitSettings& settings = run.fit();
  share_out_threads(session.local_size());
  std::unique_ptr<rlhf::RubricFeatures> features;
  std::optional<rlhf::TalkingModel> model;
  parallel::together(world, [&] {
    at::Device device = choose_device(trainer::RunSettings::automatic, session);
    rlhf::Rubric rubric;
    trainer::load_config(settings.rubric(), {}, rubric, nullptr);
    features = std::make_unique<rlhf::RubricFeatures>(rubric, settings.rubric(), device);
    if (settings.has_model()) model.emplace(rlhf::scoring_model(settings.model(), run.chat(), device));
  });
  FitSets sets = read_sets(run, *features, model ? &*model : nullptr, world);
  std::vector<double> weights = rlhf::fit_hinge(sets.learned, settings), before = features->worth();
  parallel::together(world, [&] {
    if (world.rank() != Rank(0)) return;
    data::write_file(settings.output(), fmt::format("# Fitted by `sextant rubric fit` to {} comparisons.\n",
                                                    sets.learned.size()) +
                                            trainer::to_yaml(features->with(weights)));
    for (size_t i = 0; i < weights.size(); ++i)
      std::printf(
          "%s\n",
          fmt::format("{:<28} {:+.4f} -> {:+.4f}", features->names()[i], before[i], weights[i]).c_str());
    std::printf("%s", reports("learnt from", sets.learned, before, weights, settings.margin()).c_str());
    if (!sets.held_out.empty())
      std::printf("%s", reports("held out", sets.held_out, before, weights, settings.margin()).c_str());
    std::printf("%s\n", settings.output().c_str());
    std::fflush(stdout);
  });
  return 0;
}

int fit_rubric(const YamlSource& options) {
  rlhf::RubricFitRun run;
  trainer::Origins origins;
  trainer::load_config(options.file, options.overrides, run, &origins);
  return run_on_ranks([&](parallel::MpiSession& session, Group& world) { return fit(run, session, world); });
}

}  // namespace

void add_rubric_fit(CLI::App& rubric) {
  add_yaml_command(rubric, "fit", "Learn the rewards of a rubric from comparisons, on top of a reward model",
                   "YAML file of the fit (docs/alignment.md)",
                   "Example: sextant rubric fit configs/rlhf/quickstart_rubric_fit.yaml fit.steps=200",
                   fit_rubric);
}

}  // namespace sextant::launch
