#include "trainer/plan/rehearsal.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

#include "data/loader.h"
#include "parallel/schedule_check.h"
#include "trainer/assembly.h"
#include "trainer/metrics/breakdown.h"
#include "trainer/metrics/device_memory.h"
#include "trainer/model/initialise.h"

namespace sextant::trainer {
namespace {

using Calls = std::map<parallel::Traffic::Call, int64_t>;

// What a split master takes beside its value (trainer/kernels/split_master).
constexpr double kSplitBytes = 2 + 1.0 / 8;

// Microbatches that a rank of this run sees in a step.
int64_t microbatches_of(const Run& config, const parallel::Mesh& mesh) {
  return config.run().global_batch() / (config.run().micro_batch() * mesh.data().size());
}

// The fewest microbatches of which a rank keeps as many as of all of them.
int64_t fewest_alike(const parallel::MeshSettings& settings, int64_t microbatches) {
  auto kept = [&](int64_t count) {
    return parallel::peak_activations(parallel::make_schedule(parallel::schedule_shape(settings, count)));
  };
  auto all = kept(microbatches);
  int64_t fewest = 1;
  while (fewest < microbatches && kept(fewest) != all) ++fewest;
  return fewest;
}

double bytes_of(const at::Tensor& tensor) {
  return tensor.defined() ? static_cast<double>(tensor.nbytes()) : 0;
}

// What training keeps from step to step.
RankBytes state_bytes(const Run& config, const TrainStep& step) {
  Precision precision = precision_of(config.numerics().compute());
  auto value = static_cast<double>(c10::elementSize(precision.compute));
  auto master = static_cast<double>(c10::elementSize(precision.master));
  int32_t zero = config.parallel().zero_stage();
  RankBytes bytes;
  for (const OwnedPiece& piece : step.pieces()) {
    double here = 1, owned = static_cast<double>(piece.elements());
    for (int64_t extent : piece.parameter->slice().shape) here *= static_cast<double>(extent);
    bool shared = !piece.is_whole();
    bytes.weights += (shared && zero >= 3 ? owned : here) * value;
    if (piece.split.defined()) {
      bytes.weights += owned * kSplitBytes;
    } else if (precision.compute != precision.master) {
      bytes.weights += owned * master;
    }
    bytes.gradients += (shared && zero >= 2 ? owned : here) * master;
  }
  for (const StateTensor& tensor : step.optimizer().state()) bytes.optimizer += bytes_of(tensor.tensor);
  return bytes;
}

// A rank's steps, of any number of microbatches.
class Player {
 public:
  Player(const Run& config, Assembly& assembly, const std::function<void()>& meet)
      : config_(config),
        assembly_(assembly),
        meet_(meet),
        loss_(next_token_loss(config.numerics().loss_chunk())) {}

  KindSeconds step(int64_t microbatches) {
    data::Batch batch = batch_of(microbatches);
    meet_();
    Breakdown breakdown;
    assembly_.step().run(Step(steps_++), batch, config_.run().micro_batch(), loss_, breakdown);
    return breakdown.end_step();
  }
  int64_t steps() const { return steps_; }

 private:
  data::Batch batch_of(int64_t microbatches) const {
    const parallel::Group& data = assembly_.mesh().data();
    Run smaller = config_;
    smaller.mutable_run()->set_global_batch(microbatches * config_.run().micro_batch() * data.size());
    data::Loader rows(smaller.data(), rows_shape(smaller, data.rank().value(), data.size()),
                      data::Split::kTrain);
    return rows.batch(0);
  }

  const Run& config_;
  Assembly& assembly_;
  const std::function<void()>& meet_;
  LossFunction loss_;
  int64_t steps_ = 0;
};

// The step of the middle among these.
KindSeconds median_of(std::vector<KindSeconds> steps) {
  std::sort(steps.begin(), steps.end(),
            [](const KindSeconds& a, const KindSeconds& b) { return a.sum() < b.sum(); });
  return steps[steps.size() / 2];
}

// From the calls of a step of m microbatches and of one of n: what each microbatch adds, and the rest. Where
// a step has only one microbatch, all of it is the step's.
void share_out(const Calls& all, int64_t m, const Calls& other, int64_t n, Rehearsed& found) {
  Calls keys = all;
  keys.insert(other.begin(), other.end());
  auto count = [](const Calls& calls, const parallel::Traffic::Call& call) {
    auto at = calls.find(call);
    return at != calls.end() ? static_cast<double>(at->second) : 0.0;
  };
  for (const auto& [call, ignored] : keys) {
    double each = m == n ? 0 : (count(all, call) - count(other, call)) / static_cast<double>(m - n);
    double fixed = count(all, call) - each * static_cast<double>(m);
    if (each != 0) found.calls_of_microbatch[call] = each;
    if (fixed != 0) found.calls_of_step[call] = fixed;
  }
}

}  // namespace

Rehearsed rehearse(const Run& config, int64_t ranks, Rank role, at::Device device,
                   const std::function<void()>& meet) {
  forget_device_memory(device);
  auto before = static_cast<double>(device_memory(device));
  parallel::Traffic traffic;
  auto world = parallel::rehearsal_group(ranks, role, traffic);
  parallel::Holdings held = holdings_of(config, ranks);
  Assembly assembly(config, *world, device, &held);
  initialise(assembly.step().pieces(), config.run().seed());
  assembly.step().refresh_values();
  if (device.is_cpu()) forget_device_memory(device);  // as a run does before its first step

  int64_t of_run = microbatches_of(config, assembly.mesh());
  int64_t m = fewest_alike(config.parallel(), of_run);
  int64_t n = m < of_run ? m + 1 : std::max<int64_t>(1, m - 1);  // to tell microbatches from steps
  Player player(config, assembly, meet);
  auto calls_of_step = [&](int64_t microbatches) {
    traffic.clear();
    player.step(microbatches);
    return traffic.calls();
  };
  Rehearsed found;
  calls_of_step(m);  // pages are touched, threads start, kernels are chosen
  Calls all = calls_of_step(m);
  share_out(all, m, calls_of_step(n), n, found);

  std::vector<KindSeconds> steps;
  while (player.steps() < kRehearsedSteps) steps.push_back(player.step(m));
  KindSeconds seconds = median_of(std::move(steps));
  found.forward_seconds = seconds[TimeKind::kForward] / static_cast<double>(m);
  found.backward_seconds = seconds[TimeKind::kBackward] / static_cast<double>(m);
  found.rest_seconds = seconds.sum() - seconds[TimeKind::kForward] - seconds[TimeKind::kBackward];

  found.bytes = state_bytes(config, assembly.step());
  found.bytes.program = before;
  found.bytes.buffers = static_cast<double>(traffic.most_bytes_under_way());
  found.bytes.activations = std::max(0.0, static_cast<double>(device_memory(device)) - found.bytes.total());
  return found;
}

}  // namespace sextant::trainer
