#pragma once

#include <cstdint>
#include <vector>

#include "parallel/group.h"
#include "parallel/mesh.pb.h"

namespace sextant::trainer {

// Blocks [first, last) of a model.
struct LayerRange {
  int64_t first = 0;
  int64_t last = 0;
};

// Which part of a model this rank holds, and with whom it computes it. A null group is this rank alone. The
// groups must outlive the model.
struct ModelPart {
  parallel::Group* tensor = nullptr;   // shares each matrix multiply
  parallel::Group* context = nullptr;  // shares each sequence
  parallel::Group* expert = nullptr;   // shares the experts of a mixture
  // Blocks of the tensor axis that are computed one by one on this rank (trainer/kernels/fixed_blocks); 0:
  // its part is computed at once.
  int64_t blocks = 0;
  // The stages of the pipeline here, in forward's order; none: the whole model as one stage. The stage that
  // begins at block 0 embeds tokens, the one that ends at the last block has the final norm and the output.
  std::vector<LayerRange> stages;
  // How the context ranks share attention.
  parallel::MeshSettings::ContextKind context_kind = parallel::MeshSettings::ring;
};

}  // namespace sextant::trainer
