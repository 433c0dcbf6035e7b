#include "rlhf/frozen_model.h"

#include <ATen/ATen.h>

#include <map>
#include <utility>

#include "parallel/agreement.h"
#include "trainer/host_memory.h"
#include "trainer/model/stages.h"

namespace sextant::rlhf {
namespace {

constexpr int64_t kSharesItsValues = 3;  // the ZeRO stage

trainer::ModelPart part_beside(const trainer::Assembly& policy, const parallel::MeshSettings& mesh,
                               const trainer::ModelSettings& model) {
  trainer::ModelPart part = policy.model().part();
  part.stages = trainer::stages_of_rank(model, mesh, policy.mesh().at().pipeline);
  return part;
}

}  // namespace

FrozenModel::FrozenModel(const trainer::ModelSettings& model, const trainer::Run& policy,
                         const trainer::Assembly& beside, parallel::Group& world, Placement::Kind placement,
                         Fill fill)
    : beside_(beside),
      world_(world),
      settings_(model),
      mesh_(mesh_beside(policy, model)),
      placement_(placement),
      fill_(std::move(fill)) {
  if (placement_ != Placement::offloaded) make();
  if (placement_ == Placement::sharded) trainer::give_unused_host_memory_back();
}

void FrozenModel::make() {
  const trainer::ParameterList& beside = beside_.model().parameters();
  model_.emplace(settings_, trainer::NumericsSettings::none, beside.precision(), beside.device(),
                 part_beside(beside_, mesh_, settings_));
  passes_.emplace(*model_, beside_.mesh().pipeline(), mesh_);
  const trainer::ParameterList& weights = model_->parameters();
  parallel::together(world_, [&] { fill_(weights); });
  if (placement_ == Placement::sharded) {
    trainer::TrainedWeights::Sharding sharding{kSharesItsValues, mesh_.bucket_bytes()};
    shares_ = std::make_unique<trainer::TrainedWeights>(weights, world_, sharding);
  }
  for (const auto& parameter : weights) parameter->master = at::Tensor();
}

void FrozenModel::bring() {
  if (placement_ == Placement::offloaded) make();
}

void FrozenModel::let_go() {
  if (placement_ != Placement::offloaded) return;
  passes_.reset();
  model_.reset();
  trainer::give_unused_host_memory_back();
}

int64_t FrozenModel::bytes() const {
  if (!model_) return 0;
  std::map<const void*, size_t> storages;  // several weights may lie in one
  for (const auto& parameter : model_->parameters()) {
    const c10::Storage& storage = parameter->value.storage();
    storages[storage.unsafeGetStorageImpl()] = storage.nbytes();
  }
  size_t bytes = 0;
  for (const auto& [storage, each] : storages) bytes += each;
  return static_cast<int64_t>(bytes);
}

parallel::MeshSettings mesh_beside(const trainer::Run& policy, const trainer::ModelSettings& model) {
  parallel::MeshSettings mesh = policy.parallel();
  if (model.layers() != policy.model().layers()) mesh.clear_stage_layers();
  return mesh;
}

}  // namespace sextant::rlhf
