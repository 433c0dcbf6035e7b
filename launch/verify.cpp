#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "launch/commands.h"
#include "launch/machine.h"
#include "launch/ranks.h"
#include "launch/run_start.h"
#include "launch/yaml_command.h"
#include "parallel/agreement.h"
#include "trainer/host_memory.h"
#include "trainer/layout_fault.h"
#include "trainer/verification.h"

namespace sextant::launch {
namespace {

using parallel::Group;
using trainer::Trace;
using trainer::TraceDifference;

struct VerifyOptions : YamlSource {
  int64_t steps = 3;
  bool exact = false;
};

// Compares a run's layout with one rank, on every rank of the world.
class Verification {
 public:
  Verification(const VerifyOptions& options, RunFile& run, parallel::MpiSession& session, Group& world)
      : options_(options), run_(run), session_(session), world_(world) {}

  int run() {
    parallel::together(world_, [&] { device_ = choose_device(run_.config.run().device(), session_); });
    complete_run(run_, world_, resources_of(world_, session_, device_));
    trainer::Run& config = run_.config;
    config.mutable_run()->set_steps(std::max(config.run().steps(), options_.steps));
    if (options_.exact) config.mutable_numerics()->set_compute(trainer::NumericsSettings::fp64);
    share_out_threads(session_.local_size());
    Carrier carrier(world_, device_, session_);
    carrier_ = &carrier.group();
    say(fmt::format("{}: {} steps in {}, {}, against one rank", options_.file, options_.steps,
                    trainer::NumericsSettings::Compute_Name(config.numerics().compute()),
                    trainer::layout_text(config, world_.size())));
    bool agree = compare(config);
    if (!agree) name_the_axis();
    return agree ? 0 : 1;
  }

 private:
  bool first() const { return world_.rank() == Rank(0); }
  void say(const std::string& text) const {
    if (!first()) return;
    std::printf("%s\n", text.c_str());
    std::fflush(stdout);
  }

  Trace alone(const trainer::Run& config) const {
    auto one = parallel::single_rank_group();
    return trainer::trace_run(trainer::on_one_rank(config), *one, device_, options_.steps);
  }

  // Rank 0 trains alone, then all together; every rank learns rank 0's verdict.
  bool compare(const trainer::Run& config) const {
    Trace reference;
    parallel::together(world_, [&] {
      if (first()) reference = alone(config);
    });
    Trace layout = trainer::trace_run(config, *carrier_, device_, options_.steps);
    bool agree = true;
    if (first()) {
      TraceDifference difference = trainer::compare(reference, layout);
      auto bounds = trainer::bounds_for(config.numerics().compute());
      agree = trainer::within(difference, bounds);
      print(reference, layout, difference, bounds);
    }
    return parallel::reduce_numbers(world_, {agree ? 1.0 : 0.0}, parallel::Reduce::kMin)[0] > 0;
  }

  static void print(const Trace& reference, const Trace& layout, const TraceDifference& difference,
                    const trainer::TraceBounds& bounds) {
    fmt::print("\n  {:>4}  {:>20}  {:>20}  {:>9}  {:>14}\n", "step", "loss, one rank", "loss, this layout",
               "apart", "gradient norm");
    for (size_t s = 0; s < reference.losses.size(); ++s) {
      fmt::print("  {:>4}  {:>20.15g}  {:>20.15g}  {:>9.2g}  {:>14.2g}{}\n", s + 1, reference.losses[s],
                 layout.losses[s], difference.losses[s], difference.grad_norms[s],
                 difference.losses[s] <= bounds.loss ? "" : "  <-- above the bound");
    }
    fmt::print("\n  {:<44}  {:>9}  {:>11}\n", "weights after the last step", "moved by", "apart/moved");
    for (const auto& parameter : difference.weights) {
      fmt::print("  {:<44}  {:>9.2g}  {:>11.2g}{}\n", parameter.name, parameter.moved, parameter.relative,
                 parameter.relative <= bounds.weight ? "" : "  <-- above the bound");
    }
    fmt::print("\nbounds: loss {:g} relative, weights {:g} of their movement; {}\n", bounds.loss,
               bounds.weight, bounds.reason);
    fmt::print("worst: loss {:.2g}, gradient norm {:.2g}, weights {:.2g}{}\n", difference.worst_loss(),
               difference.worst_grad_norm(), difference.worst_weight(),
               difference.equal_bits ? "; the weights' bits are equal" : "");
    fmt::print("{}\n", trainer::within(difference, bounds) ? "the layouts agree" : "the layouts DISAGREE");
    std::fflush(stdout);
  }

  // Tries ever larger parts of the layout in fp64, where rounding explains nothing.
  void name_the_axis() const {
    trainer::Run config = run_.config;
    config.mutable_numerics()->set_compute(trainer::NumericsSettings::fp64);
    say("\nlooking for the axis at fault, in fp64:");
    Trace reference;
    parallel::together(world_, [&] {
      if (first()) reference = alone(config);
    });
    for (const trainer::PartialLayout& part : trainer::partial_layouts(config, world_.size())) {
      bool inside = world_.rank().value() < part.ranks;
      auto group = carrier_->split(
          [&](Rank rank) {
            return parallel::Seat{rank.value() < part.ranks ? 0 : 1, rank.value()};
          },
          "part of the layout");
      std::string verdict;
      double at_fault = 0;
      if (inside) {
        Trace trace = trainer::trace_run(part.config, *group, device_, options_.steps);
        if (first()) {
          TraceDifference difference = trainer::compare(reference, trace);
          at_fault =
              trainer::within(difference, trainer::bounds_for(trainer::NumericsSettings::fp64)) ? 0 : 1;
          verdict =
              fmt::format("  {:<40} loss {:.2g}, weights {:.2g} apart{}", part.name, difference.worst_loss(),
                          difference.worst_weight(), at_fault > 0 ? "  <-- at fault" : "");
        }
      }
      say(verdict);
      if (parallel::reduce_numbers(world_, {at_fault}, parallel::Reduce::kMax)[0] > 0) return;
    }
    say("  every layout tried agrees in fp64: what differs is the arithmetic of this precision or device");
  }

  const VerifyOptions& options_;
  RunFile& run_;
  parallel::MpiSession& session_;
  Group& world_;
  Group* carrier_ = nullptr;
  at::Device device_{at::kCPU};
};

int verify(const VerifyOptions& options) {
  RunFile run = read_run(options.file, options.overrides);
  trainer::keep_host_memory();
  return run_on_ranks([&](parallel::MpiSession& session, Group& world) {
    return Verification(options, run, session, world).run();
  });
}

}  // namespace

void add_verify(CLI::App& app) {
  auto options = std::make_shared<VerifyOptions>();
  CLI::App* command = app.add_subcommand(
      "verify", "Run a configuration's first steps on its layout and on one rank, and compare");
  add_yaml(*command, *options, "YAML file of the run");
  command->add_option("--steps", options->steps, "Steps to compare")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_flag("--exact", options->exact, "In fp64, where rounding explains nothing above 1e-10");
  command->footer(
      "Exit code 0: the layouts agree; 1: they do not, and the axis at fault is named.\n"
      "Example: mpirun -n 4 sextant verify run.yaml parallel.tensor=2 parallel.pipeline=2");
  command->callback([options] {
    if (int code = verify(*options); code != 0) throw CLI::RuntimeError(code);
  });
}

}  // namespace sextant::launch
