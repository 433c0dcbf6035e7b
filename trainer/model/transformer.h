#pragma once

#include <optional>
#include <string>
#include <vector>

#include "trainer/model/attention.h"
#include "trainer/model/feed_forward.h"
#include "trainer/model/model.pb.h"
#include "trainer/model/parameter.h"
#include "trainer/optimizer/optimizer.pb.h"

namespace sextant::trainer {

// A decoder-only transformer: Llama (Touvron et al. 2023) or GPT-2 (Radford et al. 2019) by its settings,
// which must be complete (see fill_defaults). One forward pass serves training, evaluation and generation.
//
// B batch, T time, C channels, V vocabulary.
class Transformer {
 public:
  Transformer(const ModelSettings& settings, NumericsSettings::Recompute recompute, Precision precision,
              at::Device device);

  // The last layer's channels after the final norm, [B, T, C].
  // tokens, positions [B, T] int64; documents [B, T] (undefined: each row is one document). With a cache,
  // keys and values go to the slots of `positions`, and each query sees the slots up to its own; an empty
  // cache is filled from position 0 on.
  at::Tensor forward(const at::Tensor& tokens, const at::Tensor& positions, const at::Tensor& documents,
                     Cache* cache = nullptr) const;

  // The output layer, [V, C]: the embedding itself when tied.
  const Parameter& output() const;
  const at::Tensor& output_weight() const { return output().value; }
  // hidden [..., C] to logits [..., V], at least fp32; of the few rows of generation on a CPU not rounded to
  // bf16.
  at::Tensor logits(const at::Tensor& hidden) const;

  // An empty cache for `rows` sequences of at most `slots` tokens.
  Cache make_cache(int64_t rows, int64_t slots) const;

  const ModelSettings& settings() const { return settings_; }
  const ParameterList& parameters() const { return parameters_; }

 private:
  struct Block {
    Attention attention;
    FeedForward feed_forward;
  };
  ModelSettings settings_;
  NumericsSettings::Recompute recompute_;
  ParameterList parameters_;
  Parameter *embedding_, *position_embedding_ = nullptr;
  std::vector<Block> blocks_;
  Parameter *final_norm_, *final_norm_bias_ = nullptr, *output_ = nullptr;
  at::Tensor rotary_table_;  // [2, context, D/2]; undefined for gpt2

  at::Tensor run_block(const Block& block, const at::Tensor& x, const AttentionInputs& inputs) const;
};

// What a compute setting means in types.
Precision precision_of(NumericsSettings::Compute compute);

}  // namespace sextant::trainer
