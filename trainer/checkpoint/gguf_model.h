#pragma once

#include <vector>

#include "trainer/checkpoint/foreign.h"
#include "trainer/checkpoint/gguf.h"

namespace sextant::trainer {

// The architectures of llama.cpp that ours can be: "gpt2", "llama" (Mistral and SmolLM too), "qwen2",
// "qwen3".

// The shape of the model that a GGUF file's metadata and tensors describe, complete. Throws Error(kInput)
// naming the key for what is missing, out of range or not supported. Reads nothing but the file.
ModelSettings gguf_settings(const GgufFile& file);

// Every tensor of such a file, and what of ours it holds.
std::vector<Correspondence> gguf_correspondences(const GgufFile& file, const ModelSettings& settings);

}  // namespace sextant::trainer
