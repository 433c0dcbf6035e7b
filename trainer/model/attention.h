#pragma once

#include "parallel/group.h"
#include "parallel/mesh.pb.h"
#include "trainer/kernels/fused_linear.h"
#include "trainer/model/cache.h"
#include "trainer/model/model.pb.h"
#include "trainer/model/parameter.h"

namespace sextant::trainer {

// What attention needs to know of the rows beside their channels.
struct AttentionInputs {
  at::Tensor positions;    // [B, T] int64
  at::Tensor rotary_rows;  // [2, B, T, D/2] cosines and sines at the positions; undefined for gpt2
  // [B, T] int32, the first key that a query sees, as a place in the whole row; of all the row's queries for
  // ulysses; undefined: the first of all.
  at::Tensor first_keys;
  at::Tensor mask;  // with a cache: [B, 1, T, S] true where a query may look
  // Where it is not null, the row's tokens are these branches, and the cache is read and not written.
  const std::vector<Branch>* branches = nullptr;
  LayerCache* cache = nullptr;  // when set, keys and values are stored at the positions and read from there
  CacheFill fill = CacheFill::kEmpty;  // of the cache, before these rows
  parallel::Group* context = nullptr;  // that shares the rows' time; null: they are whole
  parallel::MeshSettings::ContextKind context_kind = parallel::MeshSettings::ring;
  at::Tensor token_order;  // [B, T] or a shard of it, int64: places in the row, where experts drop tokens
  int64_t window = 0;      // a query reads so many keys with its own; 0: all that came before
  TensorShare share;       // how x comes and the result is wanted
};

// Grouped-query self-attention with its norm before and its output layer after (Ainslie et al. 2023). The
// ranks of a tensor-parallel group share the query heads evenly, and the key heads; where there are fewer of
// these than ranks, neighbours hold the same one.
class Attention {
 public:
  // Registers parameters under `name` ("blocks.0.attention"); `tensor` is null where nobody shares the layer.
  Attention(const ModelSettings& settings, const std::string& name, ParameterList& parameters,
            parallel::Group* tensor = nullptr);

  // Key heads here.
  int64_t kv_heads() const { return kv_heads_; }

  // x [B, T, C] to what is added to the residual stream, [B, T, C]; of both this rank's shard of time where
  // inputs.share says so.
  at::Tensor forward(const at::Tensor& x, const AttentionInputs& inputs, Produced produced) const;

 private:
  at::Tensor head_norm(const at::Tensor& x, const Parameter& weight, TensorShare share) const;

  int64_t heads_, kv_heads_, head_width_;  // heads: of this rank
  double epsilon_;
  double query_multiplier_;  // of muP
  Parameter *norm_weight_, *norm_bias_ = nullptr;
  Parameter *query_, *key_, *value_, *output_;
  Parameter *query_bias_ = nullptr, *key_bias_ = nullptr, *value_bias_ = nullptr, *output_bias_ = nullptr;
  Parameter *query_norm_ = nullptr, *key_norm_ = nullptr;
};

}  // namespace sextant::trainer
