#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <filesystem>

#include "trainer/checkpoint/checkpoint.h"

namespace sextant::trainer {

struct ExportSettings {
  at::ScalarType type = at::kFloat;              // fp32, fp16 or bf16
  int64_t shard_bytes = int64_t{5'000'000'000};  // a safetensors file ends before it would hold more
};

// Writes the checkpoint's model as a Hugging Face folder that transformers loads: config.json,
// model.safetensors or numbered shards with their index, and the files that the checkpoint keeps (tokenizer,
// chat template, generation settings). The multipliers of muP go into the weights. One tensor is in memory at
// a time. `folder` must not exist or be empty. Throws Error(kInput) when no architecture of transformers
// computes this model.
void export_hugging_face(const CheckpointReader& checkpoint, const ExportSettings& settings,
                         const std::filesystem::path& folder);

}  // namespace sextant::trainer
