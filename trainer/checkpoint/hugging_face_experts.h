#pragma once

#include <nlohmann/json.hpp>

#include "trainer/checkpoint/hugging_face_config.h"
#include "trainer/checkpoint/json_settings.h"

// The part of a config.json that speaks of experts: Mixtral's and Qwen 3 MoE's.
namespace sextant::trainer {

bool is_mixture(HfArchitecture architecture);

// Fills model.experts; layers, width and ffn_width are there. Throws Error(kInput) naming the key for what is
// missing or not supported.
void read_hf_experts(const JsonSettings& config, HfArchitecture architecture, ModelSettings& model);

void put_hf_experts(const ModelSettings& model, HfArchitecture architecture, nlohmann::ordered_json& config);

// The architecture that computes this mixture of experts. Throws Error(kInput) when none does, naming the
// settings at odds.
HfArchitecture mixture_for(const ModelSettings& model);

}  // namespace sextant::trainer
