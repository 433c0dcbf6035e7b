#include "trainer/model/stages.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

#include "parallel/base/error.h"
#include "parallel/schedule_check.h"
#include "trainer/model/flops.h"

namespace sextant::trainer {
namespace {

using parallel::MeshSettings;

std::string stages_text(const parallel::ScheduleShape& shape) {
  std::string chunks = shape.chunks == 1 ? "" : fmt::format(" * parallel.chunks={}", shape.chunks);
  return fmt::format("{} stage{} (parallel.pipeline={}{})", shape.stages(), shape.stages() == 1 ? "" : "s",
                     shape.ranks, chunks);
}

}  // namespace

std::vector<int64_t> balanced_layers(const ModelSettings& model, int64_t stages) {
  expect(stages >= 1 && stages <= model.layers(), "every stage has a block");
  double head = 6.0 * model.width() * (model.head() == ModelSettings::scalar ? 1 : model.vocabulary());
  double block = (training_flops_per_token(model) - head) / model.layers();
  // Finding a row and adding to its gradient, by the measure of multiplying with one.
  double embedding = 6.0 * model.width();

  std::vector<int64_t> layers(static_cast<size_t>(stages), 1);
  std::vector<double> work(static_cast<size_t>(stages), block);
  work.front() += embedding;
  work.back() += head;
  // Blocks are alike, so giving each to the stage with the least is the best cut. Of equals to the later one,
  // which keeps activations of fewer microbatches.
  for (int64_t left = model.layers() - stages; left > 0; --left) {
    auto least = std::min_element(work.rbegin(), work.rend());
    *least += block;
    ++layers[static_cast<size_t>(work.rend() - least) - 1];
  }
  return layers;
}

std::vector<LayerRange> stage_ranges(const ModelSettings& model, const MeshSettings& mesh) {
  std::vector<int64_t> layers(mesh.stage_layers().begin(), mesh.stage_layers().end());
  if (layers.empty()) layers = balanced_layers(model, parallel::schedule_shape(mesh, 1).stages());
  std::vector<LayerRange> ranges;
  int64_t first = 0;
  for (int64_t count : layers) {
    ranges.push_back({first, first + count});
    first += count;
  }
  expect(first == model.layers(), "the stages hold all blocks");
  return ranges;
}

std::vector<LayerRange> stages_of_rank(const ModelSettings& model, const MeshSettings& mesh,
                                       int64_t pipeline_rank) {
  parallel::ScheduleShape shape = parallel::schedule_shape(mesh, 1);
  std::vector<LayerRange> all = stage_ranges(model, mesh), mine;
  for (int64_t chunk = 0; chunk < shape.chunks; ++chunk) {
    mine.push_back(all[static_cast<size_t>(parallel::stage_of(shape, pipeline_rank, chunk))]);
  }
  return mine;
}

std::string pipeline_text(const ModelSettings& model, const MeshSettings& mesh, int64_t microbatches) {
  parallel::ScheduleShape shape = parallel::schedule_shape(mesh, microbatches);
  std::vector<int64_t> layers;
  for (const LayerRange& range : stage_ranges(model, mesh)) layers.push_back(range.last - range.first);
  return fmt::format("{} over stages of {} layers, {} microbatch{} a step, bubble {:.1f} %",
                     parallel::schedule_name(shape.kind), fmt::join(layers, " "), microbatches,
                     microbatches == 1 ? "" : "es",
                     100 * parallel::play(parallel::make_schedule(shape)).bubble_fraction());
}

std::vector<Complaint> stage_complaints(const ModelSettings& model, const MeshSettings& mesh) {
  parallel::ScheduleShape shape = parallel::schedule_shape(mesh, 1);
  if (std::string fault = parallel::schedule_fault(shape); !fault.empty())
    return {{"parallel.chunks", fault}};
  int64_t stages = shape.stages();
  if (stages > model.layers()) {
    return {{"parallel.pipeline",
             fmt::format("{} need a layer each, but model.layers is {}; set parallel.pipeline={} or less",
                         stages_text(shape), model.layers(),
                         std::max(1, model.layers() / static_cast<int>(shape.chunks)))}};
  }
  if (mesh.stage_layers().empty()) return {};
  if (mesh.stage_layers_size() != stages) {
    return {{"parallel.stage_layers",
             fmt::format("{} numbers for {}; give the layers of each stage, or leave the key out",
                         mesh.stage_layers_size(), stages_text(shape))}};
  }
  int64_t sum = std::accumulate(mesh.stage_layers().begin(), mesh.stage_layers().end(), int64_t{0});
  if (sum == model.layers()) return {};
  return {{"parallel.stage_layers",
           fmt::format("{} layers in all, but model.layers is {}", sum, model.layers())}};
}

}  // namespace sextant::trainer
