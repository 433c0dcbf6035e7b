#pragma once

#include <cstdint>
#include <vector>

#include "trainer/config/complaint.h"
#include "trainer/model/model.pb.h"

namespace sextant::trainer {

// What is wrong with a model's shape across its fields, with keys under "model". Works before and after
// fill_model_defaults.
std::vector<Complaint> model_complaints(const ModelSettings& model);

// What is wrong between the model and a tokenizer of so many ids; call it once the tokenizer is loaded.
std::vector<Complaint> vocabulary_complaints(const ModelSettings& model, int64_t tokenizer_vocabulary);

// Sets what was left out and follows from other fields. `tokenizer_vocabulary` 0: not known, vocabulary
// stays.
void fill_model_defaults(ModelSettings& model, int64_t tokenizer_vocabulary);

// Channels of one attention head: what the settings say, or width / heads.
int64_t head_width(const ModelSettings& model);

// Whether a block has experts in the place of its feed-forward layer, and how many blocks have.
bool has_experts(const ModelSettings& model, int64_t layer);
int64_t expert_layers(const ModelSettings& model);

// Copies what decides how experts are trained, not what they compute, where both models have some.
void copy_expert_training(const ModelSettings& from, ModelSettings& into);

// Hidden channels of one expert: what the settings say, or model.ffn_width.
int64_t expert_width(const ModelSettings& model);

}  // namespace sextant::trainer
