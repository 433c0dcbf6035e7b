#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "parallel/mesh.pb.h"

// The order of events in a pipeline, as data: pure functions from a shape to each rank's list of actions. No
// groups, no tensors. The checker (parallel/schedule_check.h) plays such lists, the engine
// (parallel/pipeline.h) runs them.
//
// A model is cut into stages, numbered in the order in which a forward pass goes through them. A rank holds
// one stage or several; the ones of a rank are its chunks, in the same order.
namespace sextant::parallel {

enum class ActionKind {
  kForward,
  kBackward,        // the whole: gradients of the inputs and of the weights
  kInputGradient,   // the part that the stage before waits for
  kWeightGradient,  // the rest, at any time after it
};

struct Action {
  ActionKind kind = ActionKind::kForward;
  int64_t chunk = 0;
  int64_t microbatch = 0;
  bool operator==(const Action&) const = default;
};

// What is to be scheduled.
struct ScheduleShape {
  MeshSettings::Schedule kind = MeshSettings::one_forward_one_backward;
  int64_t ranks = 1;
  int64_t chunks = 1;  // stages of a rank
  int64_t microbatches = 1;

  int64_t stages() const { return ranks * chunks; }
  bool operator==(const ScheduleShape&) const = default;
};

// Where a stage is held.
struct StagePlace {
  int64_t rank = 0;
  int64_t chunk = 0;
  bool operator==(const StagePlace&) const = default;
};

struct Schedule {
  ScheduleShape shape;
  std::vector<std::vector<Action>> ranks;  // each rank's actions, in their order
};

// The settings' schedule for so many microbatches, with as many chunks as the kind has unless they are given.
ScheduleShape schedule_shape(const MeshSettings& settings, int64_t microbatches);

// What is wrong with a shape, for the user; empty where nothing is.
std::string schedule_fault(const ScheduleShape& shape);

// Stages go round: stage s is chunk s / ranks of rank s % ranks. Of a V-shaped schedule the second half comes
// back the way that the first one went, so that rank 0 holds the first stage and the last.
StagePlace place_of(const ScheduleShape& shape, int64_t stage);
int64_t stage_of(const ScheduleShape& shape, int64_t rank, int64_t chunk);

// The lists. p ranks, v chunks, m microbatches:
//   gpipe          all forwards, then all backwards (Huang et al. 2019, "GPipe", figure 2)
//   1f1b           rank r starts with p - r forwards, then each backward makes room for one forward
//                  (Narayanan et al. 2021, "Efficient Large-Scale Language Model Training on GPU Clusters
//                  Using Megatron-LM", figure 3)
//   interleaved    the same over v chunks, in turns of p microbatches (figure 4 and section 2.2 there). Where
//                  p does not divide m, turns are longer instead: m / p turns of nearly equal length
//   zero_bubble    ZB-H1 (Qi et al. 2023, "Zero Bubble Pipeline Parallelism", section 3.1): 1f1b with weight
//                  gradients apart, rank r's r microbatches late, so that no rank keeps more than 1f1b's
//                  first one does
//   zero_bubble_v  ZB-V (there, section 6): two chunks in the form of a V
// Any number of microbatches will do. Throws Error(kInput) where schedule_fault() has something to say.
Schedule make_schedule(const ScheduleShape& shape);

// Every forward in the order of microbatches and nothing else: evaluation.
Schedule forward_schedule(const ScheduleShape& shape);

// "1f1b", "gpipe" ...: as YAML has it.
const std::string& schedule_name(MeshSettings::Schedule kind);

// "F3" forward, "B3" backward, "I3" and "W3" its two parts, of microbatch 3; "F3b" where ranks hold several
// chunks: of the second one.
std::string action_text(const ScheduleShape& shape, const Action& action);

// What goes from stage to stage.
enum class Cargo { kActivation, kGradient };

// A tensor on its way between neighbouring stages; local where one rank holds both.
struct Message {
  Cargo cargo = Cargo::kActivation;
  int64_t stage = 0;  // that it is for
  int64_t microbatch = 0;
  int64_t from = 0, to = 0;  // ranks
  bool operator==(const Message&) const = default;
};

// What an action of `rank` waits for and what it hands on; none at the ends of the model. All sends and
// receives of a pipeline follow from these two.
std::optional<Message> input_of(const ScheduleShape& shape, int64_t rank, const Action& action);
std::optional<Message> output_of(const ScheduleShape& shape, int64_t rank, const Action& action);

// The messages from one rank to another in the order in which they are sent, which is the order in which
// they must be received.
std::vector<Message> messages_between(const Schedule& schedule, int64_t from, int64_t to);

}  // namespace sextant::parallel
