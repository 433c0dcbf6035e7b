#include "trainer/assembly.h"

#include "parallel/rehearsal_group.h"
#include "trainer/model/stages.h"

namespace sextant::trainer {
namespace {

// This rank's part of the model by its place in the mesh.
ModelPart part_of(const Run& config, const parallel::Mesh& mesh) {
  auto shared = [](parallel::Group& group) { return group.size() > 1 ? &group : nullptr; };
  int64_t blocks = config.numerics().tensor_blocks();
  return {shared(mesh.tensor()),
          shared(mesh.context()),
          shared(mesh.expert()),
          blocks > 1 ? blocks / mesh.tensor().size() : 0,
          stages_of_rank(config.model(), config.parallel(), mesh.at().pipeline),
          config.parallel().context_kind()};
}

StepSettings step_settings(const Run& config, const parallel::Layout& layout) {
  StepSettings settings;
  settings.optimizer = config.optimizer();
  settings.run_steps = config.run().steps();
  settings.reduction = config.numerics().reduction();
  settings.sharding = {config.parallel().zero_stage(), config.parallel().bucket_bytes(), nullptr};
  if (layout.shard > 0)
    settings.sharding.part_of = [layout](Rank rank) { return parallel::shard_group_of(layout, rank); };
  return settings;
}

// The model's part of the rank whose place the mesh is.
std::unique_ptr<Transformer> model_of(const Run& config, const parallel::Mesh& mesh, at::Device device) {
  return std::make_unique<Transformer>(config.model(), config.numerics().recompute(),
                                       precision_of(config.numerics().compute()), device,
                                       part_of(config, mesh));
}

}  // namespace

Assembly::Assembly(const Run& config, parallel::Group& world, at::Device device,
                   const parallel::Holdings* known)
    : mesh_(config.parallel(), world) {
  model_ = model_of(config, mesh_, device);
  passes_ = std::make_unique<Passes>(*model_, mesh_.pipeline(), config.parallel());
  step_ = std::make_unique<TrainStep>(*passes_, step_settings(config, mesh_.layout()), world, known);
}

parallel::Holdings holdings_of(const Run& config, int64_t ranks) {
  parallel::Holdings all;
  parallel::Traffic none;
  for (int64_t rank = 0; rank < ranks; ++rank) {
    auto world = parallel::rehearsal_group(ranks, Rank(rank), none);
    parallel::Mesh mesh(config.parallel(), *world);
    all.push_back(held_by(model_of(config, mesh, at::kMeta)->parameters()));
  }
  return all;
}

data::LoaderShape rows_shape(const Run& config, int64_t slice, int64_t slices) {
  data::LoaderShape shape;
  shape.context = config.model().context();
  shape.global_batch = config.run().global_batch();
  shape.micro_batch = config.run().micro_batch();
  shape.slice = slice;
  shape.slices = slices;
  shape.seed = config.run().seed();
  shape.vocabulary = config.model().vocabulary();
  return shape;
}

}  // namespace sextant::trainer
