#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "parallel/group.h"
#include "parallel/schedule.h"

namespace sextant::parallel {

// What the engine calls for the stages of its rank. Tensors between stages are detached; chunk and microbatch
// are those of the action.
struct StageCalls {
  // From the stage before to the stage after. x is undefined for the first stage; the last one's result is
  // not used.
  std::function<at::Tensor(int64_t chunk, int64_t microbatch, const at::Tensor& x)> forward;
  // From the gradient of the stage's output to that of its input: the whole backward, or, for
  // kInputGradient, all but the weight gradients that `weights` makes later. dy is undefined for the last
  // stage, the result for the first.
  std::function<at::Tensor(const Action& action, const at::Tensor& dy)> backward;
  std::function<void(int64_t chunk, int64_t microbatch)> weights;
};

// Shape and type of what goes from stage to stage: equal for all stages and microbatches of a run.
struct ActivationType {
  std::vector<int64_t> shape;  // [B, T, C] of this rank
  at::TensorOptions options;   // type and device
};

// Runs a rank's list of actions, whatever it is, and everything that its stages send and receive. One rank
// alone goes through the same code and sends nothing.
//
// A tensor that is sent stays alive until it has gone, so a send never waits; receives are started ahead, in
// the order in which they are sent. Each direction between two ranks has a group of its own, so that on GPUs,
// where the transfers of a group run one after the other, none waits behind one of the other direction.
class PipelineEngine {
 public:
  // All ranks of `pipeline` must call. The group is used to make the engine's own; it must outlive this.
  explicit PipelineEngine(Group& pipeline);

  // Runs this rank's list of the schedule, which must be for as many ranks as the group has. All ranks of the
  // group must call, with equal schedules and activation types: compared when they differ from the last
  // run's, and std::logic_error when ranks disagree. Returns when all actions are done and all sent.
  void run(const Schedule& schedule, const ActivationType& type, const StageCalls& calls);

 private:
  // To and from one neighbour.
  struct Channel {
    std::unique_ptr<Group> out, in;
    Rank peer;  // in both groups
  };
  class Run;

  void open_channels();
  void agree(const Schedule& schedule, const ActivationType& type);

  Group& pipeline_;
  std::map<int64_t, Channel> channels_;  // by the neighbour's rank
  std::string agreed_;
};

}  // namespace sextant::parallel
