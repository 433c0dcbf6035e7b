#include "trainer/scaling/ladder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "parallel/base/error.h"
#include "trainer/config/overrides.h"
#include "trainer/config/rules.h"
#include "trainer/model/flops.h"
#include "trainer/model/transformer.h"
#include "trainer/scaling/coordinates.h"

namespace sextant::trainer {
namespace {

constexpr int kFewestRungs = 4;  // one more than a C^b + c has parameters

std::string rung_name(const Rung& rung, const Run& base) {
  if (rung.has_name()) return rung.name();
  return fmt::format("w{}-l{}", rung.width(), rung.has_layers() ? rung.layers() : base.model().layers());
}

// So many of the base's steps as the same share of other steps.
int64_t in_share(int64_t steps, int64_t base_steps, int64_t other) {
  return std::llround(static_cast<double>(steps) * static_cast<double>(other) /
                      static_cast<double>(base_steps));
}

double step_tokens(const Run& run) {
  return static_cast<double>(run.run().global_batch()) * static_cast<double>(run.model().context());
}

void apply(const Rung& rung, const std::string& name, Run& run) {
  Origins origins;
  std::vector<Complaint> found;
  apply_overrides(std::vector<std::string>(rung.overrides().begin(), rung.overrides().end()), run, origins,
                  found);
  if (found.empty()) return;
  fail_input(fmt::format("rung {}: overrides: {}: {}", name, found[0].key, found[0].what));
}

// `start` is the base with the sections run and model filled in, for proportions to be taken of.
LadderRun plan_rung(const Rung& rung, const Run& start, const std::string& folder, int64_t vocabulary) {
  std::string name = rung_name(rung, start);
  Run run = start;
  *run.mutable_model() = at_width(start.model(), rung.width());
  if (rung.has_layers()) run.mutable_model()->set_layers(static_cast<int32_t>(rung.layers()));
  run.mutable_run()->set_folder((std::filesystem::path(folder) / name).string());
  run.mutable_run()->clear_stop_at();
  apply(rung, name, run);
  auto steps = static_cast<int64_t>(std::ceil(rung.tokens() / step_tokens(run)));
  run.mutable_run()->set_steps(steps);
  OptimizerSettings& optimizer = *run.mutable_optimizer();
  if (optimizer.has_warmup_steps()) {
    optimizer.set_warmup_steps(in_share(optimizer.warmup_steps(), start.run().steps(), steps));
  }
  if (optimizer.has_decay_steps()) {
    optimizer.set_decay_steps(in_share(optimizer.decay_steps(), start.run().steps(), steps));
  }
  check(complaints(run, 0), Origins("rung " + name));
  return measured_out(name, run, vocabulary);
}

void require_room_below(const Ladder& ladder) {
  for (const LadderRun& rung : ladder.rungs) {
    if (rung.flops < ladder.target.flops) continue;
    fail_input(
        fmt::format("rung {}: it takes {:.3g} FLOPs, the base only {:.3g}; the base is the largest run",
                    rung.name, rung.flops, ladder.target.flops));
  }
}

}  // namespace

double Ladder::rung_flops() const {
  double sum = 0;
  for (const LadderRun& rung : rungs) sum += rung.flops;
  return sum;
}

LadderRun measured_out(const std::string& name, const Run& run, int64_t vocabulary) {
  LadderRun planned{name, run};
  fill_defaults(planned.run, vocabulary);
  *planned.run.mutable_parallel() = run.parallel();  // where it is left open, the ranks have a say
  planned.parameters = static_cast<double>(model_elements(planned.run.model()));
  planned.non_embedding = static_cast<double>(non_embedding_elements(planned.run.model()));
  planned.tokens = static_cast<double>(planned.run.run().steps()) * step_tokens(planned.run);
  planned.flops = planned.tokens * training_flops_per_token(planned.run.model());
  return planned;
}

std::vector<Complaint> ladder_complaints(const ScalingLadder& ladder) {
  std::vector<Complaint> found;
  if (ladder.rungs_size() < kFewestRungs) {
    found.push_back({"rungs", fmt::format("{} of them are too few for a law of 3 parameters; give {} or more",
                                          ladder.rungs_size(), kFewestRungs)});
  }
  for (int i = 0; i < ladder.rungs_size(); ++i) {
    const std::string& name = ladder.rungs(i).name();
    bool folder = !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos;
    if (!ladder.rungs(i).has_name() || folder) continue;
    found.push_back({fmt::format("rungs.{}.name", i),
                     shown(name) + " can not be a folder's name; give letters and digits"});
  }
  return found;
}

Ladder plan_ladder(const ScalingLadder& ladder, const Run& base, const Run& settings, int64_t vocabulary) {
  Run whole = settings;
  fill_defaults(whole, vocabulary);
  Run start = settings;  // what follows from a model or its steps follows anew for each rung
  *start.mutable_run() = whole.run();
  *start.mutable_model() = whole.model();
  if (whole.data().valid_size() == 0 && whole.data().valid_fraction() == 0) {
    fail_input(ladder.base() +
               ": a ladder predicts the held-out loss, and nothing is held out; give data.valid or "
               "data.valid_fraction");
  }
  require(!start.run().has_start_from(),
          ladder.base() +
              ": run.start_from: rungs begin at random weights, and so must the run that they "
              "predict; remove it");
  Ladder plan;
  plan.target = measured_out(std::filesystem::path(ladder.base()).stem().string(), base, vocabulary);
  std::set<std::string> names;
  for (const Rung& rung : ladder.rungs()) {
    plan.rungs.push_back(plan_rung(rung, start, ladder.folder(), vocabulary));
    const std::string& name = plan.rungs.back().name;
    require(names.insert(name).second,
            "rung " + name + ": another one is called so; give each a name of its own");
  }
  require_room_below(plan);
  return plan;
}

std::string ladder_table(const Ladder& ladder, const std::vector<double>& hours) {
  std::string text = fmt::format("{:<16} {:>10} {:>10} {:>9} {:>10} {:>11}{}\n", "run", "parameters",
                                 "tokens", "steps", "FLOPs", "of target", hours.empty() ? "" : "      hours");
  size_t at = 0;
  auto line = [&](const LadderRun& run) {
    text += fmt::format("{:<16} {:>10.4g} {:>10.4g} {:>9} {:>10.3g} {:>9.3f} %{}\n", run.name, run.parameters,
                        run.tokens, run.run.run().steps(), run.flops, 100 * run.flops / ladder.target.flops,
                        hours.empty() ? "" : fmt::format(" {:>10.3f}", hours[at]));
    ++at;
  };
  for (const LadderRun& rung : ladder.rungs) line(rung);
  line(ladder.target);
  text += fmt::format("rungs together: {:.3g} FLOPs, {:.2f} % of the target's", ladder.rung_flops(),
                      100 * ladder.rung_flops() / ladder.target.flops);
  if (!hours.empty()) {
    double sum = 0;
    for (size_t i = 0; i < ladder.rungs.size(); ++i) sum += hours[i];
    text += fmt::format(", {:.2f} hours on one rank here", sum);
  }
  return text + "\nFLOPs a token: 6 weights of matrices + 12 layers width context\n";
}

std::string ladder_points_csv(const Ladder& ladder, const std::vector<double>& losses) {
  expect(losses.size() == ladder.rungs.size(), "every rung has a loss");
  std::string text = "name,parameters,non_embedding,tokens,flops,loss\n";
  for (size_t i = 0; i < losses.size(); ++i) {
    const LadderRun& rung = ladder.rungs[i];
    text += fmt::format("{},{:.17g},{:.17g},{:.17g},{:.17g},{:.17g}\n", rung.name, rung.parameters,
                        rung.non_embedding, rung.tokens, rung.flops, losses[i]);
  }
  return text;
}

}  // namespace sextant::trainer
