#pragma once

#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

#include "data/tokenizer/tokenizer.h"
#include "parallel/mesh.h"
#include "trainer/model/transformer.h"

namespace sextant::launch {

// A model out of a checkpoint, ready to run on this process alone, and the tokenizer that it was trained
// with.
struct StoredModel {
  std::filesystem::path folder;  // the step folder that was read
  std::unique_ptr<trainer::Transformer> model;
  data::Tokenizer tokenizer;
  std::vector<int32_t> opening_tokens;  // ids that stand before every prompt
  std::vector<int32_t> stop_tokens;     // ids that end a completion
};

// A text as the model reads it: the opening tokens, then its own.
std::vector<int32_t> prompt_ids(const StoredModel& stored, std::string_view text);

// Reads a step folder (or the newest of a checkpoints or run folder) in the precision it was trained in.
// Throws Error(kInput) naming what is missing or damaged.
StoredModel load_model(const std::filesystem::path& folder);

// The part of it that this rank has where ranks share a model as the mesh says. No collectives. The mesh must
// outlive the model. Throws Error(kInput) on every rank where its shape can not be shared so.
StoredModel load_model(const std::filesystem::path& folder, at::Device device,
                       const parallel::MeshSettings& settings, const parallel::Mesh& mesh);

}  // namespace sextant::launch
