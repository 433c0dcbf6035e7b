#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "trainer/checkpoint/foreign.h"
#include "trainer/model/model.pb.h"

namespace sextant::trainer {

// The models of Hugging Face's transformers that ours can be.
enum class HfArchitecture { kGpt2, kLlama, kMistral, kQwen2, kQwen3, kMixtral, kQwen3Moe };

// "LlamaForCausalLM"
std::string_view architecture_name(HfArchitecture architecture);

struct HfConfig {
  HfArchitecture architecture = HfArchitecture::kLlama;
  ModelSettings settings;  // complete
};

// Reads a config.json. Throws Error(kInput) naming `origin` and the key for what is missing, out of range or
// not supported: other architectures, experts of other kinds, quantised weights, other activations, rotary
// scalings or attention. A pure function of its arguments.
HfConfig parse_hf_config(std::string_view text, const std::string& origin);

// The architecture whose transformers class computes what these settings say. Throws Error(kInput) when none
// does, naming the settings at odds.
HfArchitecture architecture_for(const ModelSettings& settings);

// What a config.json says beside the model's shape; ids below 0 are left out.
struct HfExtras {
  std::string dtype;  // "float32", "bfloat16" or "float16"
  int64_t begin_id = -1, end_id = -1;
};

// A config.json that parse_hf_config and transformers read as these settings.
std::string write_hf_config(const ModelSettings& settings, HfArchitecture architecture,
                            const HfExtras& extras);

// A kept config.json with what export decides anew: context and dtype.
std::string refreshed_hf_config(std::string_view kept, const ModelSettings& settings,
                                const std::string& dtype);

// Every tensor of model.safetensors, and what of ours it holds.
std::vector<Correspondence> hf_correspondences(HfArchitecture architecture, const ModelSettings& settings);

}  // namespace sextant::trainer
