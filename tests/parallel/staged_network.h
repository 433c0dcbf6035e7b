#pragma once

#include <cstdint>
#include <vector>

#include "parallel/group.h"
#include "parallel/pipeline.h"

namespace sextant::parallel {

// A network whose stages do sin(x W), with its gradients by hand: what the pipeline engine is tried on. The
// loss is the sum over everything of the last stage's result times a fixed wave. fp64.
//
// R rows of a microbatch, C channels.
struct StagedNetwork {
  ScheduleShape shape;
  int64_t rows = 3, channels = 4;

  at::Tensor weight(int64_t stage) const;              // [C, C]
  at::Tensor input(int64_t microbatch) const;          // [R, C]
  at::Tensor loss_gradient(int64_t microbatch) const;  // [R, C], of the last stage's result

  // What a run comes to on one rank.
  struct Result {
    std::vector<at::Tensor> weight_gradients;  // by chunk, [C, C]
    double loss = 0;                           // of the microbatches that ended here
  };
  // All stages of this network one after the other, without an engine. By stage.
  Result reference() const;
  // The engine's run of a schedule. All ranks of the group must call.
  Result run(PipelineEngine& engine, const Schedule& schedule, int64_t rank) const;
};

// Runs every kind of schedule with several numbers of microbatches on the group's ranks and compares each
// rank's gradients and loss with the reference.
void try_all_schedules(Group& pipeline, int64_t rows, int64_t channels);

}  // namespace sextant::parallel
