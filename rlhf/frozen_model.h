#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "parallel/group.h"
#include "rlhf/placement.pb.h"
#include "trainer/assembly.h"
#include "trainer/passes.h"
#include "trainer/trained_weights.h"

namespace sextant::rlhf {

// A model that is read and never trained, cut over the ranks that hold the policy as the policy is: by
// tensor, pipeline, context and expert.
class FrozenModel {
 public:
  // Writes masters, and the values that follow from them; equal each time, without collectives.
  using Fill = std::function<void(const trainer::ParameterList&)>;

  // `policy` is the complete run of `beside`, which must outlive this, as `world` must. All ranks of `world`
  // must call. Throws AgreedError where `fill` throws an Error on some rank.
  FrozenModel(const trainer::ModelSettings& model, const trainer::Run& policy,
              const trainer::Assembly& beside, parallel::Group& world, Placement::Kind placement, Fill fill);

  // The model while it can be read. All ranks of `world` must make one together, and one at a time.
  class Use {
   public:
    explicit Use(FrozenModel& model) : model_(model) { model.bring(); }
    ~Use() { model_.let_go(); }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

    trainer::Passes& passes() const { return *model_.passes_; }

   private:
    FrozenModel& model_;
  };

  // Of the values that stand whole in this rank's memory now.
  int64_t bytes() const;

 private:
  void bring();
  void let_go();
  void make();

  const trainer::Assembly& beside_;
  parallel::Group& world_;
  trainer::ModelSettings settings_;
  parallel::MeshSettings mesh_;
  Placement::Kind placement_;
  Fill fill_;
  std::optional<trainer::Transformer> model_;
  std::optional<trainer::Passes> passes_;
  std::unique_ptr<trainer::TrainedWeights> shares_;  // where they are sharded
};

// The mesh of a model beside the policy: stages that were cut by hand fit no other number of layers.
parallel::MeshSettings mesh_beside(const trainer::Run& policy, const trainer::ModelSettings& model);

}  // namespace sextant::rlhf
