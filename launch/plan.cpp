#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "launch/commands.h"
#include "launch/machine.h"
#include "launch/plan_table.h"
#include "launch/ranks.h"
#include "launch/run_start.h"
#include "launch/yaml_command.h"
#include "parallel/agreement.h"
#include "trainer/config/rules.h"
#include "trainer/host_memory.h"
#include "trainer/metrics/peak_flops.h"
#include "trainer/metrics/progress.h"
#include "trainer/model/transformer.h"
#include "trainer/plan/estimate.h"
#include "trainer/plan/network.h"
#include "trainer/plan/played_layout.h"
#include "trainer/plan/step_time.h"

namespace sextant::launch {
namespace {

using parallel::Group;
using parallel::MeshSettings;

// A part of the memory is never ours: the system, other libraries' buffers.
constexpr double kUsable = 0.95;

struct PlanOptions : YamlSource {
  int64_t ranks = 0, ranks_on_machine = 0;  // 0: as started; as many as the machine has places for
  double memory_gib = 0;                    // of a rank; 0: the machine's share
  double peak_tflops = 0;                   // 0: rehearse here
  double efficiency = 0.4;
  double bandwidth = 0, machine_bandwidth = 0;  // GB/s; 0: measured, or taken for something
  double latency = 10;                          // microseconds
  int64_t layouts = 8;
  bool only = false, json = false;
};

// Plans one run, over the ranks that the command was started with.
class Planning {
 public:
  Planning(const PlanOptions& options, RunFile& run, parallel::MpiSession& session, Group& world)
      : options_(options), run_(run), session_(session), world_(world) {}

  int work() {
    parallel::together(world_, [&] { device_ = choose_device(run_.config.run().device(), session_); });
    parallel::alike([&] { sizes(); });
    complete_run(run_, world_, resources());
    threads_ = share_out_threads(on_machine_);
    know_the_machine();
    introduce();
    std::vector<Planned> plans;
    for (const MeshSettings& mesh : layouts()) plans.push_back(planned(mesh, plans.empty()));
    std::stable_sort(plans.begin(), plans.end(), [](const Planned& a, const Planned& b) {
      return std::tuple(!a.fits, !a.rehearsed, a.time.seconds) <
             std::tuple(!b.fits, !b.rehearsed, b.time.seconds);
    });
    PlanReport report{plans, ranks_, on_machine_, memory_, config().run().steps(), run_.layout_reason};
    if (first()) std::fputs((options_.json ? plan_json(report) : plan_table(report)).c_str(), stdout);
    std::fflush(stdout);
    parallel::alike([&] { require_room(plans); });
    return 0;
  }

 private:
  bool first() const { return world_.rank() == Rank(0); }
  bool estimates() const { return options_.peak_tflops > 0; }
  const trainer::Run& config() const { return run_.config; }

  void say(const std::string& text) const {
    if (!first() || options_.json) return;
    std::printf("%s\n", text.c_str());
    std::fflush(stdout);
  }

  void sizes() {
    ranks_ = options_.ranks > 0 ? options_.ranks : world_.size();
    require(world_.size() <= ranks_,
            fmt::format("--ranks {} is fewer than the {} that this was started on; they play ranks of the "
                        "planned run, each one of them",
                        ranks_, world_.size()));
    // One number for all, whatever machines they are on.
    std::vector<double> least = parallel::reduce_numbers(
        world_, {memory_of_machine(device_), static_cast<double>(session_.local_size())},
        parallel::Reduce::kMin);
    machine_ = least[0];
    local_ = static_cast<int64_t>(least[1]);
    int64_t places = std::max(local_, device_.is_cpu() ? cores_allowed() : int64_t{1});
    on_machine_ = options_.ranks_on_machine > 0 ? options_.ranks_on_machine : std::min(ranks_, places);
    require(on_machine_ <= ranks_,
            fmt::format("--ranks-on-machine {} is more than all {} ranks", on_machine_, ranks_));
    double share = machine_ / (device_.is_cpu() ? static_cast<double>(on_machine_) : 1.0);
    memory_ = options_.memory_gib > 0 ? options_.memory_gib * kGib : share * kUsable;
  }

  trainer::RankResources resources() const {
    using Processor = trainer::RankResources::Processor;
    bool gpu = device_.is_cuda() || (estimates() && options_.peak_tflops > 20);
    return {ranks_, on_machine_, memory_, gpu ? Processor::kGpu : Processor::kCpu};
  }

  void know_the_machine() {
    trainer::Precision precision = trainer::precision_of(config().numerics().compute());
    speed_ = {options_.peak_tflops * 1e12, options_.efficiency};
    if (!estimates()) {
      // One number for all: they must try the same layouts.
      double peak = trainer::measured_peak_flops(precision.compute, device_);
      speed_ = {parallel::reduce_numbers(world_, {peak}, parallel::Reduce::kMin)[0], kShareOfPeak};
    }
    networks_.emplace(networks(precision));
    if (estimates() || !device_.is_cpu()) return;
    // Places: how many ranks of a machine its cores run at one time; those that play here share them already.
    double places = static_cast<double>(std::max({local_, cores_allowed() / threads_, int64_t{1}}));
    sharing_.ranks_a_place = std::max(1.0, static_cast<double>(on_machine_) / places);
  }

  trainer::Network by_figures(double gigabytes) const { return {options_.latency * 1e-6, gigabytes * 1e9}; }

  // As given; else as measured, as far as ranks of one machine and of several are here; else taken for
  // something.
  trainer::Networks networks(trainer::Precision precision) {
    std::optional<trainer::Network> inside, between;
    if (options_.machine_bandwidth > 0) inside = by_figures(options_.machine_bandwidth);
    if (options_.bandwidth > 0) between = by_figures(options_.bandwidth);
    if (world_.size() > 1 && !estimates()) {
      Carrier carrier(world_, device_, session_);
      std::vector<parallel::Seat> seats = seats_on_machines();
      auto seat = [&](Rank rank) { return seats[static_cast<size_t>(rank.value())]; };
      auto measured = [&](const parallel::Seating& seating, const char* name) {
        return measured_among(*carrier.group().split(seating, name), precision);
      };
      auto of_machine = [&](Rank rank) { return parallel::Seat{seat(rank).color, rank.value()}; };
      auto of_each = [&](Rank rank) { return parallel::Seat{seat(rank).key, rank.value()}; };
      measured_inside_ = !inside && (inside = measured(of_machine, "a machine"));
      measured_between_ = !between && (between = measured(of_each, "machines"));
    }
    if (!inside) inside = between ? *between : by_figures(kAssumedBandwidth);
    return {*inside, between ? *between : *inside, on_machine_};
  }

  // By rank: its machine, and its place on it.
  std::vector<parallel::Seat> seats_on_machines() const {
    std::array<char, 256> name{};
    gethostname(name.data(), name.size() - 1);
    std::map<std::string, int64_t> numbers, taken;
    std::vector<parallel::Seat> seats;
    for (const std::string& machine : parallel::gather_bytes(world_, name.data())) {
      int64_t number = numbers.emplace(machine, static_cast<int64_t>(numbers.size())).first->second;
      seats.push_back({number, taken[machine]++});
    }
    return seats;
  }

  // None where some rank is by itself.
  std::optional<trainer::Network> measured_among(Group& group, trainer::Precision precision) const {
    auto size = static_cast<double>(group.size());
    if (parallel::reduce_numbers(world_, {size}, parallel::Reduce::kMin)[0] < 2) return std::nullopt;
    return trainer::Network::measured(group, device_, {precision.master, precision.compute});
  }

  void introduce() const {
    const trainer::RunSettings& run = config().run();
    say(fmt::format("{}: {} of {} parameters in {}, {} sequences of {} tokens a step", options_.file,
                    trainer::ModelSettings::Kind_Name(config().model().kind()),
                    trainer::count_text(static_cast<double>(trainer::model_elements(config().model()))),
                    trainer::NumericsSettings::Compute_Name(config().numerics().compute()),
                    run.global_batch(), config().model().context()));
    say(fmt::format(
        "{} ranks, {} a machine, {:.1f} GiB each{}", ranks_, on_machine_, memory_ / kGib,
        estimates() ? "" : fmt::format("; {} thread{} a rank", threads_, threads_ == 1 ? "" : "s")));
    if (estimates()) {
      say(fmt::format("estimated: {} TFLOP/s a rank, of which {:.0f} % are reached", options_.peak_tflops,
                      100 * options_.efficiency));
    } else {
      say(fmt::format("rehearsed on {} rank{} here", world_.size(), world_.size() == 1 ? "" : "s"));
    }
    if (ranks_ == 1) return;
    double bytes = 25 << 20;
    parallel::Traffic::Call sum{parallel::Verb::kAllReduce, at::kFloat, 2, 2, 25 << 20};
    double seconds = networks_->inside.seconds(sum);
    say(fmt::format("network: {:.2g} ms for the sum of 25 MiB over two ranks of a machine ({:.2g} GB/s), {}",
                    1e3 * seconds, bytes / seconds / 1e9,
                    measured_inside_                                           ? "measured here"
                    : options_.machine_bandwidth > 0 || options_.bandwidth > 0 ? "by the figures given"
                                                                               : kHowToMeasure));
    if (options_.bandwidth > 0)
      say(fmt::format("between machines {} GB/s, {} us a message", options_.bandwidth, options_.latency));
    if (measured_between_) {
      seconds = networks_->between.seconds(sum);
      say(fmt::format("between machines: {:.2g} ms for the same sum ({:.2g} GB/s), measured here",
                      1e3 * seconds, bytes / seconds / 1e9));
    }
  }

  trainer::Run with(const MeshSettings& mesh) const {
    trainer::Run run = config();
    *run.mutable_parallel() = mesh;
    return run;
  }

  // The file's own first, then the others that can run, the quickest first by estimate.
  std::vector<MeshSettings> layouts() const {
    std::vector<MeshSettings> chosen{config().parallel()};
    if (options_.only) return chosen;
    std::vector<std::pair<double, MeshSettings>> others;
    parallel::Layout own = parallel::layout_for(config().parallel(), ranks_);
    for (const MeshSettings& mesh : trainer::possible_layouts(config(), resources())) {
      trainer::Run run = with(mesh);
      if (parallel::layout_for(mesh, ranks_) == own || !trainer::complaints(run, ranks_).empty()) continue;
      Planned guess = estimated(mesh);
      // Those that will fit before those that will not.
      others.emplace_back(guess.time.seconds * (guess.fits ? 1 : 1e9), mesh);
    }
    std::stable_sort(others.begin(), others.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (const auto& [seconds, mesh] : others) {
      if (static_cast<int64_t>(chosen.size()) < options_.layouts) chosen.push_back(mesh);
    }
    return chosen;
  }

  int64_t microbatches(const MeshSettings& mesh) const {
    int64_t data = parallel::layout_for(mesh, ranks_).data;
    return std::max<int64_t>(1, config().run().global_batch() / (config().run().micro_batch() * data));
  }

  Planned planned(const MeshSettings& mesh, bool own) const {
    Planned plan = estimates() ? estimated(mesh) : rehearsed(mesh);
    plan.own = own;
    return plan;
  }

  Planned estimated(const MeshSettings& mesh) const {
    trainer::Run run = with(mesh);
    Planned plan;
    plan.mesh = mesh;
    trainer::RankMemory memory = trainer::memory_of_rank(run, mesh, resources());
    plan.bytes.weights = memory.weights;
    plan.bytes.gradients = memory.gradients;
    plan.bytes.optimizer = memory.optimizer;
    plan.bytes.activations = memory.activations;
    trainer::EstimatedCalls calls = trainer::estimated_calls(run, mesh, ranks_);
    trainer::RankTimes times = trainer::estimated_times(run, mesh, speed_);
    times.microbatch_communication = networks_->seconds(calls.of_microbatch);
    times.step_communication = networks_->seconds(calls.of_step);
    finish(plan, std::vector<trainer::RankTimes>(static_cast<size_t>(mesh.pipeline()), times));
    return plan;
  }

  Planned rehearsed(const MeshSettings& mesh) const {
    Planned plan = estimated(mesh);
    // What does not fit would end in swapping, not in an answer.
    if (plan.bytes.total() > machine_ / (device_.is_cpu() ? static_cast<double>(local_) : 1.0)) {
      plan.note = "too large to try here: estimated";
      return plan;
    }
    trainer::PlayedLayout played = trainer::play_layout(with(mesh), ranks_, device_, world_);
    if (!played.fault.empty()) {
      plan.note = played.fault + ": estimated";
      return plan;
    }
    plan.rehearsed = true;
    plan.bytes = {};
    std::vector<trainer::RankTimes> times;
    for (const trainer::Rehearsed& rank : played.stages) {
      if (rank.bytes.total() > plan.bytes.total()) plan.bytes = rank.bytes;
      times.push_back({rank.forward_seconds, rank.backward_seconds, rank.rest_seconds,
                       networks_->seconds(rank.calls_of_microbatch), networks_->seconds(rank.calls_of_step)});
    }
    finish(plan, times);
    say(fmt::format("  {}: {:.2f} GiB, {:.3g} s a step", axes_text(plan.layout), plan.bytes.total() / kGib,
                    plan.time.seconds));
    return plan;
  }

  void finish(Planned& plan, const std::vector<trainer::RankTimes>& times) const {
    trainer::Sharing sharing = sharing_;
    sharing.sums_hide_behind_backward = resources().processor == trainer::RankResources::Processor::kGpu;
    plan.time =
        trainer::step_time(parallel::schedule_shape(plan.mesh, microbatches(plan.mesh)), times, sharing);
    plan.layout = parallel::layout_for(plan.mesh, ranks_);
    plan.fits = plan.bytes.total() <= memory_;
    plan.tokens_per_second =
        static_cast<double>(config().run().global_batch() * config().model().context()) / plan.time.seconds;
  }

  void require_room(const std::vector<Planned>& plans) const {
    if (plans.front().fits) return;
    auto least = std::min_element(plans.begin(), plans.end(), [](const Planned& a, const Planned& b) {
      return a.bytes.total() < b.bytes.total();
    });
    fail_input(fmt::format(
        "nothing fits: the least that a rank needs is {:.2f} GiB ({}), and it has {:.2f}; take more ranks, a "
        "smaller run.micro_batch or numerics.recompute=full",
        least->bytes.total() / kGib, axes_text(least->layout), memory_ / kGib));
  }

  static constexpr const char* kHowToMeasure =
      "which is a guess: give --machine-bandwidth, or start this with mpirun on two or more ranks";
  static constexpr double kAssumedBandwidth = 5;  // GB/s
  static constexpr double kShareOfPeak = 0.7;     // to choose what to try first

  const PlanOptions& options_;
  RunFile& run_;
  parallel::MpiSession& session_;
  Group& world_;
  at::Device device_{at::kCPU};
  int64_t ranks_ = 1, on_machine_ = 1;
  int threads_ = 1;
  double memory_ = 0, machine_ = 0;  // bytes: of a rank, of this machine
  int64_t local_ = 1;                // ranks here
  trainer::Speed speed_;
  std::optional<trainer::Networks> networks_;
  bool measured_inside_ = false, measured_between_ = false;
  trainer::Sharing sharing_;
};

int plan(const PlanOptions& options) {
  RunFile run = read_run(options.file, options.overrides);
  trainer::keep_host_memory();
  return run_on_ranks([&](parallel::MpiSession& session, Group& world) {
    return Planning(options, run, session, world).work();
  });
}

}  // namespace

void add_plan(CLI::App& app) {
  auto options = std::make_shared<PlanOptions>();
  CLI::App* command = app.add_subcommand(
      "plan", "Memory and time of a run before it is launched, on its layout and on others");
  add_yaml(*command, *options, "YAML file of the run");
  command->add_option("--ranks", options->ranks, "Ranks of the run  (as many as this is started on)")
      ->check(CLI::Range(1, 1 << 20));
  command
      ->add_option("--ranks-on-machine", options->ranks_on_machine,
                   "Ranks of each machine  (as many as this one has cores or GPUs for)")
      ->check(CLI::PositiveNumber);
  command->add_option("--memory", options->memory_gib, "GiB that a rank may use  (its share of this machine)")
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--peak", options->peak_tflops,
                   "TFLOP/s of a rank's processor: estimate by the model's shape instead of rehearsing here")
      ->check(CLI::PositiveNumber);
  command->add_option("--efficiency", options->efficiency, "Share of --peak that training reaches")
      ->check(CLI::Range(0.01, 1.0))
      ->capture_default_str();
  command
      ->add_option("--bandwidth", options->bandwidth,
                   "GB/s that a rank sends to another machine  (as inside one)")
      ->check(CLI::PositiveNumber);
  command
      ->add_option(
          "--machine-bandwidth", options->machine_bandwidth,
          "GB/s that a rank sends inside a machine  (measured, where this is started on several ranks)")
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--latency", options->latency, "Microseconds of a message, where the bandwidth is given")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--layouts", options->layouts, "Layouts to try, the file's among them")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_flag("--only", options->only, "The file's layout alone");
  command->add_flag("--json", options->json, "As JSON");
  command->footer(
      "The ranks that this is started on play ranks of the planned run with its very model, optimizer, rows "
      "and\nschedule; the ranks that are not here are left out, and what they would send is timed apart.\n"
      "Exit code 2: nothing fits.\n"
      "Example: mpirun -n 2 sextant plan configs/pretrain/gpt2_124m.yaml --ranks 16 --ranks-on-machine 2\n"
      "         sextant plan configs/pretrain/gpt2_124m.yaml --ranks 64 --ranks-on-machine 8 --memory 80 "
      "--peak 989 --machine-bandwidth 300 --bandwidth 50");
  command->callback([options] {
    if (int code = plan(*options); code != 0) throw CLI::RuntimeError(code);
  });
}

}  // namespace sextant::launch
