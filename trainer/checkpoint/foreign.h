#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "trainer/model/model.pb.h"

namespace sextant::trainer {

// How the numbers of another program's tensor lie beside ours.
enum class Lying {
  kSame,
  kTransposed,    // [in, out], as GPT-2's Conv1D
  kRotaryTurned,  // rows of each head in rotary pairs (0, 1), (2, 3) ..., as in llama.cpp's llama
};

// One tensor of another program's model, and the parameters of ours that it holds, one after the other along
// their rows (along the columns when transposed).
struct Correspondence {
  std::string key;                 // "model.layers.0.self_attn.q_proj.weight"
  std::vector<std::string> names;  // "blocks.0.attention.query.weight"
  Lying lying = Lying::kSame;
  int64_t heads = 0;  // of a kRotaryTurned tensor
  // Of a parameter that stacks matrices along its first dim: which of them this tensor is; -1: all of it. A
  // table has them in order, all of them.
  int64_t layer_of_stack = -1;
};

// A parameter of ours as another program's file gives it. Read when its turn comes, so that only one is in
// memory.
struct ForeignWeight {
  std::string name;  // "blocks.0.attention.query.weight"
  std::vector<int64_t> shape;
  at::ScalarType type = at::kFloat;  // of what read() returns: fp32, fp16 or bf16
  std::function<at::Tensor()> read;  // contiguous, on the CPU
};

// A model out of another program's files, in our terms.
struct ForeignModel {
  std::string origin;      // "SmolLM2-135M.gguf", for messages and the checkpoint's record
  ModelSettings settings;  // complete
  std::vector<ForeignWeight> weights;
  // Files to stand beside the weights: tokenizer.json, tokenizer_config.json, generation_config.json, ...
  std::map<std::string, std::string> side_files;
  std::vector<std::string> notes;  // what could not be taken over, for the user
};

// What a file offers under one key.
struct ForeignTensor {
  std::vector<int64_t> shape;  // row-major
  at::ScalarType type = at::kFloat;
  std::function<at::Tensor()> read;
};

// Finds every parameter of a model with these settings among a file's tensors: a weight for each, in the
// model's order. Throws Error(kInput), naming `origin`, the tensor and both shapes, when one is missing, has
// another shape or is not used; tensors that `is_ignored` says so of may be left over.
std::vector<ForeignWeight> match_weights(const ModelSettings& settings,
                                         const std::vector<Correspondence>& correspondences,
                                         const std::map<std::string, ForeignTensor>& tensors,
                                         const std::function<bool(const std::string&)>& is_ignored,
                                         const std::string& origin);

// Our names and shapes for a model with these settings, in the order in which forward uses them.
std::vector<std::pair<std::string, std::vector<int64_t>>> parameter_shapes(const ModelSettings& settings);

}  // namespace sextant::trainer
