#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "trainer/run.pb.h"

namespace sextant::trainer {

// What the ranks of a run have.
struct RankResources {
  enum class Processor { kCpu, kGpu };
  int64_t ranks = 1;             // in the world
  int64_t ranks_on_machine = 1;  // that reach each other without a network
  double memory_bytes = 0;       // of one rank; 0: not known
  Processor processor = Processor::kCpu;
};

// Bytes that a rank needs, by kind.
struct RankMemory {
  double weights = 0;  // masters included
  double gradients = 0;
  double optimizer = 0;
  double activations = 0;
  double state() const { return weights + gradients + optimizer; }
  double total() const { return state() + activations; }
};

// An estimate from the settings, which must be complete but for the mesh: state counts each number that
// training keeps (16 bytes a parameter in fp32, 16.125 in bf16 and 18 on a GPU, 32 in fp64), less what ZeRO
// shards (Rajbhandari et al. 2020, section 5); activations are those of Korthikanti et al. 2023, equation 4,
// without the attention matrix that is never whole.
RankMemory memory_of_rank(const Run& config, const parallel::MeshSettings& mesh,
                          const RankResources& resources);

struct LayoutChoice {
  parallel::MeshSettings mesh;
  std::string reason;  // for the user: what was chosen, and why not less
};

// Layouts of tensor and pipeline ranks and ZeRO stages that divide the model, the batch and the ranks, those
// with the least communication first; the other axes and settings are the run's own.
std::vector<parallel::MeshSettings> possible_layouts(const Run& config, const RankResources& resources);

// Whether the settings leave the layout to us: no axis and no ZeRO stage is given.
bool leaves_layout_open(const parallel::MeshSettings& mesh);

// The layout with the least communication whose memory fits and whose data ranks divide the batch: first data
// alone, then ever more of it sharded, then tensor parallelism inside a machine, then pipeline stages. Where
// memory is not known or nothing fits, the most sharded one that divides the batch, and the reason says so. A
// pure function: every rank comes to the same choice.
LayoutChoice choose_layout(const Run& config, const RankResources& resources);

}  // namespace sextant::trainer
