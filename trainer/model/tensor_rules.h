#pragma once

#include <vector>

#include "parallel/mesh.pb.h"
#include "trainer/config/complaint.h"
#include "trainer/model/model.pb.h"
#include "trainer/optimizer/optimizer.pb.h"

namespace sextant::trainer {

// Why the ranks of parallel.tensor can not share a model of this shape evenly, with what to set instead.
// Works before and after fill_model_defaults; what is not known yet is not complained of.
std::vector<Complaint> tensor_complaints(const ModelSettings& model, const parallel::MeshSettings& mesh);

// The same of numerics.tensor_blocks, the blocks that shared layers are computed in.
std::vector<Complaint> block_complaints(const ModelSettings& model, const NumericsSettings& numerics,
                                        const parallel::MeshSettings& mesh);

}  // namespace sextant::trainer
