#include "trainer/automatic_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "trainer/model/model_rules.h"
#include "trainer/model/transformer.h"

namespace sextant::trainer {
namespace {

using parallel::MeshSettings;

// A part of a machine's memory is never ours: the system, libraries, buffers under way.
constexpr double kUsable = 0.8;

struct ParameterBytes {
  double weights, gradients, moments;
};

ParameterBytes bytes_of(NumericsSettings::Compute compute, RankResources::Processor processor) {
  switch (compute) {
    case NumericsSettings::fp32:
      return {4, 4, 8};
    case NumericsSettings::bf16:
      // fp32 masters beside their bf16 copies, or split (trainer/kernels/split_master).
      return {processor == RankResources::Processor::kGpu ? 6 : 4.125, 4, 8};
    case NumericsSettings::fp64:
      return {8, 8, 16};
  }
  return {4, 4, 8};
}

// Weights of experts, which parallel.expert alone cuts.
double expert_elements(const ModelSettings& model) {
  if (model.experts().count() == 0) return 0;
  return 3.0 * static_cast<double>(expert_layers(model)) * model.experts().count() * model.width() *
         static_cast<double>(expert_width(model));
}

double activation_bytes(const Run& config, const MeshSettings& mesh) {
  const ModelSettings& model = config.model();
  double number = config.numerics().compute() == NumericsSettings::bf16   ? 2
                  : config.numerics().compute() == NumericsSettings::fp64 ? 8
                                                                          : 4;
  double tokens = static_cast<double>(config.run().micro_batch()) * model.context() / mesh.context();
  // 34 bytes a token and channel in 16 bits; only the block's input when all is recomputed.
  double numbers_a_channel = config.numerics().recompute() == NumericsSettings::full        ? 1
                             : config.numerics().recompute() == NumericsSettings::selective ? 11
                                                                                            : 17;
  double layers = static_cast<double>(model.layers()) / mesh.pipeline();
  double in_flight = std::min<double>(mesh.pipeline(), static_cast<double>(config.run().global_batch()) /
                                                           static_cast<double>(config.run().micro_batch()));
  return tokens * model.width() * numbers_a_channel * number * layers * in_flight / mesh.tensor();
}

std::string gib(double bytes) {
  return fmt::format("{:.2g} GiB", bytes / (1 << 30));
}

MeshSettings mesh_of(const Run& config, int64_t tensor, int64_t pipeline, int64_t zero) {
  MeshSettings mesh = config.parallel();
  mesh.clear_data();
  if (pipeline == 1) {
    mesh.clear_schedule();
    mesh.clear_chunks();
  }
  if (pipeline != config.parallel().pipeline()) mesh.clear_stage_layers();
  mesh.set_tensor(static_cast<int32_t>(tensor));
  mesh.set_pipeline(static_cast<int32_t>(pipeline));
  mesh.set_zero_stage(static_cast<int32_t>(zero));
  return mesh;
}

bool divides(int64_t part, int64_t whole) {
  return part > 0 && whole % part == 0;
}

bool tensor_fits(const ModelSettings& model, int64_t tensor) {
  bool heads = divides(tensor, model.heads()) &&
               (divides(tensor, model.kv_heads()) || divides(model.kv_heads(), tensor));
  return heads && divides(tensor, model.ffn_width()) && divides(tensor, model.vocabulary()) &&
         divides(tensor, model.context());
}

}  // namespace

std::vector<MeshSettings> possible_layouts(const Run& config, const RankResources& resources) {
  int64_t context = config.parallel().context();
  std::vector<MeshSettings> found;
  for (int64_t pipeline = 1; pipeline <= resources.ranks && pipeline <= config.model().layers(); ++pipeline) {
    for (int64_t tensor = 1; tensor <= resources.ranks_on_machine; ++tensor) {
      if (!divides(tensor * pipeline * context, resources.ranks)) continue;
      if (!tensor_fits(config.model(), tensor)) continue;
      int64_t data = resources.ranks / (tensor * pipeline * context);
      if (!divides(config.parallel().expert(), data)) continue;
      if (!divides(data * config.run().micro_batch(), config.run().global_batch())) continue;
      for (int64_t zero = 0; zero <= (data * context > 1 ? 3 : 0); ++zero)
        found.push_back(mesh_of(config, tensor, pipeline, zero));
    }
  }
  return found;
}

namespace {

std::string text_of(const MeshSettings& mesh, int64_t ranks) {
  return fmt::format("data={} zero_stage={} tensor={} pipeline={}",
                     ranks / (int64_t{mesh.tensor()} * mesh.pipeline()), mesh.zero_stage(), mesh.tensor(),
                     mesh.pipeline());
}

}  // namespace

RankMemory memory_of_rank(const Run& config, const MeshSettings& mesh, const RankResources& resources) {
  ParameterBytes bytes = bytes_of(config.numerics().compute(), resources.processor);
  double experts = expert_elements(config.model());
  double others = static_cast<double>(model_elements(config.model())) - experts;
  double split = static_cast<double>(mesh.tensor()) * mesh.pipeline();
  double expert_split = static_cast<double>(mesh.expert()) * mesh.pipeline();
  double data = static_cast<double>(resources.ranks) / (split * mesh.context());
  double shard_groups = mesh.has_shard() ? std::max(1.0, data / mesh.shard()) : 1;
  RankMemory memory;
  auto add = [&](double whole, double parts) {
    double parameters = whole / parts;
    double holders = std::max(1.0, static_cast<double>(resources.ranks) / parts / shard_groups);
    auto shared = [&](double part, int stage) {
      return parameters * part / (mesh.zero_stage() >= stage ? holders : 1);
    };
    memory.weights += shared(bytes.weights, 3);
    memory.gradients += shared(bytes.gradients, 2);
    memory.optimizer += shared(bytes.moments, 1);
  };
  add(others, split);
  add(experts, expert_split);
  memory.activations = activation_bytes(config, mesh);
  return memory;
}

bool leaves_layout_open(const MeshSettings& mesh) {
  return !mesh.has_data() && !mesh.has_tensor() && !mesh.has_pipeline() && !mesh.has_context() &&
         !mesh.has_expert() && !mesh.has_zero_stage() && !mesh.has_shard();
}

LayoutChoice choose_layout(const Run& config, const RankResources& resources) {
  double room = resources.memory_bytes * kUsable;
  std::vector<MeshSettings> all = possible_layouts(config, resources);
  if (all.empty()) return {mesh_of(config, 1, 1, 0), "nothing else divides the batch and the model"};
  std::optional<MeshSettings> too_large;
  for (const MeshSettings& mesh : all) {
    double need = memory_of_rank(config, mesh, resources).total();
    if (room > 0 && need > room) {
      if (!too_large) too_large = mesh;
      continue;
    }
    std::string reason = fmt::format("{}: about {} a rank", text_of(mesh, resources.ranks), gib(need));
    if (room > 0) reason += fmt::format(" of {} usable", gib(room));
    if (too_large) {
      reason += fmt::format("; {} would take {}", text_of(*too_large, resources.ranks),
                            gib(memory_of_rank(config, *too_large, resources).total()));
    }
    return {mesh, reason};
  }
  const MeshSettings& last = all.back();
  return {last,
          fmt::format("{}: about {} a rank, more than the {} usable; no layout of {} ranks takes less",
                      text_of(last, resources.ranks), gib(memory_of_rank(config, last, resources).total()),
                      gib(room), resources.ranks)};
}

}  // namespace sextant::trainer
