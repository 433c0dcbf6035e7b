#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/durable_file.h"
#include "launch/machine.h"
#include "launch/pretraining.h"
#include "launch/ranks.h"
#include "launch/scaling.h"
#include "launch/yaml_command.h"
#include "parallel/agreement.h"
#include "parallel/base/error.h"
#include "trainer/automatic_layout.h"
#include "trainer/config/load.h"
#include "trainer/config/rules.h"
#include "trainer/scaling/ladder.h"
#include "trainer/scaling/rung_record.h"
#include "trainer/scaling/rung_timing.h"

namespace sextant::launch {
namespace {

struct LadderOptions : YamlSource {
  bool plan = false, time = false;
};

// One start of a ladder on one rank: every rung in turn, those that are done skipped.
class LadderClimb {
 public:
  LadderClimb(const trainer::ScalingLadder& settings, const trainer::Ladder& ladder, const RankOfRuns& rank)
      : settings_(settings), ladder_(ladder), rank_(rank) {}

  int climb() {
    parallel::together(rank_.world, [&] {
      for (const trainer::LadderRun& rung : ladder_.rungs) {
        trainer::check(trainer::complaints(rung.run, 0), trainer::Origins("rung " + rung.name));
        if (first()) trainer::require_same_run(rung.run);
      }
    });
    choose_layout();
    std::vector<double> losses;
    for (const trainer::LadderRun& rung : ladder_.rungs) {
      if (int code = run_to_end(rung); code != 0) return code;
      losses.push_back(loss_of(rung));
    }
    parallel::together(rank_.world, [&] {
      if (!first()) return;
      std::filesystem::path points = std::filesystem::path(settings_.folder()) / "points.csv";
      data::write_file(points, trainer::ladder_points_csv(ladder_, losses));
      std::printf("%s: the losses of %zu runs; next: sextant scaling predict %s --points %s\n",
                  points.c_str(), losses.size(), settings_.base().c_str(), points.c_str());
    });
    return 0;
  }

 private:
  bool first() const { return rank_.world.rank() == Rank(0); }

  // One layout for all rungs, where it is left to us: that of the one which needs the most memory.
  void choose_layout() {
    const trainer::LadderRun* largest = &ladder_.rungs[0];
    for (const trainer::LadderRun& rung : ladder_.rungs) {
      if (rung.parameters > largest->parameters) largest = &rung;
    }
    layout_ = largest->run.parallel();
    if (!trainer::leaves_layout_open(layout_)) return;
    RunFile run{largest->run, trainer::RowsFrom::kShards, trainer::Origins("rung " + largest->name), ""};
    at::Device device = at::kCPU;
    parallel::together(rank_.world,
                       [&] { device = choose_device(run.config.run().device(), rank_.session); });
    complete_run(run, rank_.world, resources_of(rank_.world, rank_.session, device));
    layout_ = run.config.parallel();
  }

  // What rank 0 reads of a run's end, the same on every rank; "" where it has not come.
  std::string loss_text(const trainer::LadderRun& rung) const {
    std::string text;
    parallel::together(rank_.world, [&] {
      if (!first()) return;
      auto loss = trainer::held_out_loss_at(rung.run.run().folder(), rung.run.run().steps());
      if (loss) text = fmt::format("{:.17g}", *loss);
    });
    return parallel::gather_bytes(rank_.world, text)[0];
  }

  double loss_of(const trainer::LadderRun& rung) const {
    std::string text = loss_text(rung);
    parallel::alike([&] {
      require(
          !text.empty(),
          fmt::format("{}: the run is at its end, and its metrics.jsonl holds no held-out loss of step {}; "
                      "move the folder away to run it again",
                      rung.run.run().folder(), rung.run.run().steps()));
    });
    return std::stod(text);
  }

  int run_to_end(const trainer::LadderRun& rung) const {
    std::string known = loss_text(rung);
    if (first()) {
      std::printf("-- rung %s: %.4g parameters, %.4g tokens, %.3g FLOPs%s\n", rung.name.c_str(),
                  rung.parameters, rung.tokens, rung.flops,
                  known.empty() ? "" : (": done, " + known).c_str());
      std::fflush(stdout);
    }
    if (!known.empty()) return 0;
    RunFile run{rung.run, trainer::RowsFrom::kShards, trainer::Origins("rung " + rung.name), ""};
    *run.config.mutable_parallel() = layout_;
    return train_one(run, pretraining(), rank_);
  }

  const trainer::ScalingLadder& settings_;
  const trainer::Ladder& ladder_;
  const RankOfRuns& rank_;
  parallel::MeshSettings layout_;
};

// Of every rung by measurement; of the target by its FLOPs, at the pace of the costliest rung.
std::vector<double> hours_of(const trainer::Ladder& ladder) {
  share_out_threads(1);
  std::vector<double> hours;
  double most = 0, hours_per_flop = 0;
  for (const trainer::LadderRun& rung : ladder.rungs) {
    hours.push_back(trainer::seconds_per_update(rung.run) * static_cast<double>(rung.run.run().steps()) /
                    3600);
    if (rung.flops <= most) continue;
    most = rung.flops;
    hours_per_flop = hours.back() / rung.flops;
  }
  hours.push_back(ladder.target.flops * hours_per_flop);
  return hours;
}

int climb(const LadderOptions& options) {
  trainer::ScalingLadder settings;
  trainer::Origins origins;
  trainer::load_config(options.file, options.overrides, settings, &origins);
  trainer::check(trainer::ladder_complaints(settings), origins);
  RunFile base = read_run(settings.base(), {});
  RunFile with = read_run(settings.base(), {settings.overrides().begin(), settings.overrides().end()});
  auto tokenizer =
      data::Tokenizer::load(base.config.data().tokenizer(), base.config.data().tokenizer_pattern());
  trainer::Ladder ladder = trainer::plan_ladder(settings, base.config, with.config, tokenizer.vocabulary());
  bool speaks = launcher_rank() == 0;
  if (options.plan || options.time) {
    std::vector<double> hours;
    if (options.time) hours = hours_of(ladder);
    if (speaks) std::fputs(trainer::ladder_table(ladder, hours).c_str(), stdout);
    return 0;
  }
  if (speaks) std::fputs(trainer::ladder_table(ladder).c_str(), stdout);
  return run_training([&](const RankOfRuns& rank) { return LadderClimb(settings, ladder, rank).climb(); });
}

}  // namespace

void add_scaling_ladder(CLI::App& scaling) {
  auto options = std::make_shared<LadderOptions>();
  CLI::App* command = scaling.add_subcommand(
      "ladder", "Train a family of small models and collect their held-out losses; start it again to go on");
  add_yaml(*command, *options, "YAML file of the ladder (docs/scaling.md)");
  command->add_flag("--plan", options->plan, "Only print what it would cost");
  command->add_flag("--time", options->time,
                    "The same with hours on one rank of this machine, from a few updates of each rung");
  command->footer("Example: mpirun -n 2 sextant scaling ladder configs/ladders/quickstart.yaml");
  command->callback([options] {
    if (int code = climb(*options); code != 0) throw CLI::RuntimeError(code);
  });
}

}  // namespace sextant::launch
