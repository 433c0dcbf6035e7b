#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "parallel/schedule.h"
#include "trainer/config/complaint.h"
#include "trainer/model/model.pb.h"
#include "trainer/model/part.h"

namespace sextant::trainer {

// Which blocks each stage of a pipeline holds. Pure functions: every rank comes to the same cut.

// Blocks of each stage, in the order of the model, so that the stage with the most work has as little as can
// be. Blocks cost the same; the embedding counts towards the first stage and the output layer towards the
// last, in FLOPs of training. Each stage has at least one block, so there are at most as many as blocks.
std::vector<int64_t> balanced_layers(const ModelSettings& model, int64_t stages);

// The blocks of every stage: what parallel.stage_layers says, else balanced. Settings must be without
// stage_complaints.
std::vector<LayerRange> stage_ranges(const ModelSettings& model, const parallel::MeshSettings& mesh);

// Those that a rank of the pipeline axis holds, by chunk.
std::vector<LayerRange> stages_of_rank(const ModelSettings& model, const parallel::MeshSettings& mesh,
                                       int64_t pipeline_rank);

// "1f1b over stages of 8 4 layers, 4 microbatches a step, bubble 20.0 %": the bubble where an input gradient
// and a weight gradient take as long as a forward, and stages equally long.
std::string pipeline_text(const ModelSettings& model, const parallel::MeshSettings& mesh,
                          int64_t microbatches);

// What is wrong between the model and the pipeline's settings, with keys under "parallel".
std::vector<Complaint> stage_complaints(const ModelSettings& model, const parallel::MeshSettings& mesh);

}  // namespace sextant::trainer
