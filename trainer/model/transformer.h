#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "trainer/model/attention.h"
#include "trainer/model/experts.h"
#include "trainer/model/feed_forward.h"
#include "trainer/model/layers.h"
#include "trainer/model/model.pb.h"
#include "trainer/model/parameter.h"
#include "trainer/model/part.h"
#include "trainer/model/unit_pass.h"
#include "trainer/optimizer/optimizer.pb.h"
#include "trainer/rows.h"

namespace sextant::trainer {

// A decoder-only transformer: Llama (Touvron et al. 2023) or GPT-2 (Radford et al. 2019) by its settings,
// which must be complete (see fill_defaults), or the part of one that a rank holds. One forward pass serves
// training, evaluation and generation.
//
// B batch, T time, C channels, V vocabulary.
class Transformer {
 public:
  Transformer(const ModelSettings& settings, NumericsSettings::Recompute recompute, Precision precision,
              at::Device device, ModelPart part = {});

  // Stages of the pipeline here: 1 for a whole model.
  size_t stages() const { return stages_.size(); }
  bool embeds(size_t stage) const { return stages_[stage].range.first == 0; }
  bool ends(size_t stage) const { return stages_[stage].range.last == settings_.layers(); }
  // One stage over the rows: from the channels that the stage before gave, x [B, T, C], to those for the next
  // one. The first stage embeds the tokens and takes no x; the last one ends with the final norm. Where tp
  // ranks of part().tensor share the model, x and the result are this rank's shard of time, [B, T/tp, C], and
  // all of them must call together with the same rows; tp divides T. With a cache as for forward(): x and the
  // result are whole, and once all stages have run the cache holds something. Rows with branches read what
  // the cache holds and leave it as it is.
  at::Tensor forward_stage(size_t stage, const at::Tensor& x, const Rows& rows, Cache* cache = nullptr) const;

  // The last layer's channels after the final norm (times muP's output multiplier), [B, T, C], of a model
  // whose stages are all here. Ranks that share the model call together, without gradient, for any T, and
  // each gets the whole. tokens, positions [B, T] int64; documents [B, T] (undefined: each row is one
  // document). With a cache, keys and values go to the slots of `positions`, and each query sees the slots up
  // to its own; an empty cache is filled from position 0 on.
  at::Tensor forward(const at::Tensor& tokens, const at::Tensor& positions, const at::Tensor& documents,
                     Cache* cache = nullptr) const;

  // The output layer, [V, C], of which this rank may have a part: the embedding itself when tied. Of the rank
  // that has the last stage. Throws Error(kInput) when the model has a scalar head.
  const Parameter& output() const;
  const at::Tensor& output_weight() const { return output().value; }
  // hidden [..., C] to logits [..., V], at least fp32; of the few rows of generation on a CPU not rounded to
  // bf16. Ranks that share the model call together with equal hidden, and each gets the whole, equal to the
  // bit.
  at::Tensor logits(const at::Tensor& hidden) const;

  // One number for each token, [B, T], at least fp32, of a model with a scalar head; on the rank that has the
  // last stage. hidden [B, T/tp, C] is what forward_stage gives without a cache. Ranks that share the model
  // call together and each gets the whole; each has the whole loss of it, too.
  at::Tensor values(const at::Tensor& hidden) const;

  // An empty cache for `rows` sequences of at most `slots` tokens; of the layers that are here.
  Cache make_cache(int64_t rows, int64_t slots) const;

  // What each row leaves to this rank.
  ContextCut context_cut() const;

  // The routers of the blocks here that have experts, with their blocks' numbers.
  std::vector<std::pair<int64_t, const Router*>> routers() const;

  const ModelSettings& settings() const { return settings_; }
  const ModelPart& part() const { return part_; }
  const ParameterList& parameters() const { return parameters_; }

 private:
  struct Block {
    int64_t layer;
    Attention attention;
    std::variant<FeedForward, Experts> feed_forward;
  };
  struct Stage {
    LayerRange range;
    std::vector<Block> blocks;
  };
  ModelSettings settings_;
  NumericsSettings::Recompute recompute_;
  ModelPart part_;
  ParameterList parameters_;
  Parameter *embedding_ = nullptr, *position_embedding_ = nullptr;
  std::vector<Stage> stages_;
  Parameter *final_norm_ = nullptr, *final_norm_bias_ = nullptr, *output_ = nullptr;
  Parameter *value_head_ = nullptr, *value_head_bias_ = nullptr;  // [1, C], [1]: whole on each rank
  at::Tensor rotary_table_;                                       // [2, context, D/2]; undefined for gpt2

  void add_stage(LayerRange range);
  void add_head(LayerBuilder& build);
  Block make_block(int64_t layer);
  at::Tensor first_keys_of(const at::Tensor& positions, const at::Tensor& documents,
                           const Cache* cache) const;
  AttentionInputs inputs_of(const Rows& rows, const Cache* cache, TensorShare share) const;
  at::Tensor embed_tokens(const at::Tensor& tokens, TensorShare share) const;
  at::Tensor embed_positions(const at::Tensor& positions, TensorShare share) const;
  at::Tensor embed(const at::Tensor& tokens, const at::Tensor& positions, TensorShare share) const;
  at::Tensor run_stage(const Stage& stage, at::Tensor x, AttentionInputs& inputs, Cache* cache) const;
  UnitPass pass_of(const Stage& stage, int64_t layer) const;
  at::Tensor run_block(const Block& block, const at::Tensor& x, const AttentionInputs& inputs) const;
  at::Tensor final_norm(const at::Tensor& x, TensorShare share) const;
};

// Numbers in a whole model of these settings, which must be complete.
int64_t model_elements(const ModelSettings& settings);

// Of these the ones that are no embedding, of tokens or positions, and no output layer: the N of Kaplan et
// al. 2020 (arXiv 2001.08361, section 2.1).
int64_t non_embedding_elements(const ModelSettings& settings);

// What a compute setting means in types.
Precision precision_of(NumericsSettings::Compute compute);

}  // namespace sextant::trainer
