#include "trainer/model/transformer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "parallel/along_dim.h"
#include "parallel/autograd_collectives.h"
#include "parallel/base/error.h"
#include "trainer/kernels/attention.h"
#include "trainer/kernels/branch_attention.h"
#include "trainer/kernels/cached_attention.h"
#include "trainer/kernels/embedding.h"
#include "trainer/kernels/fixed_blocks.h"
#include "trainer/kernels/inference_linear.h"
#include "trainer/kernels/norm.h"
#include "trainer/kernels/recompute.h"
#include "trainer/kernels/rotary.h"
#include "trainer/kernels/vocabulary_part.h"
#include "trainer/model/layers.h"
#include "trainer/model/model_rules.h"
#include "trainer/model/mup.h"
#include "trainer/model/rotary_frequencies.h"
#include "trainer/model/unit_pass.h"

namespace sextant::trainer {
namespace {

// This rank's shard of time. x [B, T] to [B, T/tp]
at::Tensor own_shard(const at::Tensor& x, const parallel::Group& tensor) {
  int64_t time = x.size(1) / tensor.size();
  return x.narrow(1, tensor.rank().value() * time, time);
}

using parallel::UnitUse;

// What is read together: the embedding, each block, the head behind the last one.
constexpr int64_t kEmbeddingUnit = 0;

int64_t unit_of(int64_t layer) {
  return layer + 1;
}

// Of all parameters from `first` on.
void set_unit(const ParameterList& parameters, size_t first, int64_t unit) {
  auto each = parameters.begin() + static_cast<std::ptrdiff_t>(first);
  for (; each != parameters.end(); ++each) (*each)->unit = unit;
}

}  // namespace

Transformer::Transformer(const ModelSettings& settings, NumericsSettings::Recompute recompute,
                         Precision precision, at::Device device, ModelPart part)
    : settings_(settings), recompute_(recompute), part_(std::move(part)), parameters_(precision, device) {
  if (part_.stages.empty()) part_.stages = {{0, settings_.layers()}};
  for (LayerRange range : part_.stages) add_stage(range);
  for (Parameter* embedding : {embedding_, position_embedding_}) {
    if (embedding != nullptr) embedding->role = Role::kEmbedding;
  }
  if (output_ != nullptr) output_->role = Role::kOutput;
  bool tied_here = final_norm_ != nullptr && output_ == nullptr && embedding_ != nullptr;
  if (tied_here) embedding_->uses = 2;
  if (position_embedding_ != nullptr) position_embedding_->uses = std::max<int64_t>(1, part_.blocks);
  for (const auto& parameter : parameters_) scale_by_mup(settings_, *parameter);
  // On the meta device a model is its shapes alone.
  if (settings_.kind() != ModelSettings::gpt2 && !device.is_meta()) {
    auto type = precision.compute == at::kDouble ? at::kDouble : at::kFloat;
    rotary_table_ = rotary_table(settings_.context(), rotary_frequencies(settings_), type, device);
  }
}

void Transformer::add_stage(LayerRange range) {
  expect(range.first >= 0 && range.first < range.last && range.last <= settings_.layers(),
         "a stage has blocks of the model");
  bool gpt2 = settings_.kind() == ModelSettings::gpt2;
  LayerBuilder build{settings_, parameters_};
  Stage stage{range, {}};
  if (range.first == 0) {
    embedding_ = &build.matrix("embedding.weight", settings_.vocabulary(), settings_.width(),
                               cut_over(part_.tensor, 0));
    if (gpt2)
      position_embedding_ =
          &build.matrix("position_embedding.weight", settings_.context(), settings_.width());
  }
  for (int64_t layer = range.first; layer < range.last; ++layer) {
    size_t before = parameters_.size();
    stage.blocks.push_back(make_block(layer));
    set_unit(parameters_, before, unit_of(layer));
  }
  stages_.push_back(std::move(stage));
  if (range.last != settings_.layers()) return;
  size_t before_head = parameters_.size();
  final_norm_ = &build.norm("final_norm.weight", settings_.width());
  if (gpt2) final_norm_bias_ = &build.bias("final_norm.bias", settings_.width());
  add_head(build);
  set_unit(parameters_, before_head, unit_of(settings_.layers()));
}

void Transformer::add_head(LayerBuilder& build) {
  if (settings_.head() == ModelSettings::scalar) {
    value_head_ = &build.matrix("value_head.weight", 1, settings_.width());
    value_head_->role = Role::kOutput;
    // Numbers of variance 1 from channels of variance 1 (lm-human-preferences).
    value_head_->initial_std = 1 / std::sqrt(settings_.width() + 1.0);
    value_head_bias_ = &build.bias("value_head.bias", 1);
    return;
  }
  auto rows = cut_over(part_.tensor, 0);  // of the vocabulary
  if (!settings_.tied_embeddings()) {
    output_ = &build.matrix("output.weight", settings_.vocabulary(), settings_.width(), rows);
  } else if (embedding_ == nullptr) {
    // The first stage's embedding once more: both hold it, and its gradient is the sum of theirs.
    output_ = &build.matrix("embedding.weight", settings_.vocabulary(), settings_.width(), rows);
  }
}

Transformer::Block Transformer::make_block(int64_t layer) {
  std::string name = fmt::format("blocks.{}", layer);
  Attention attention(settings_, name + ".attention", parameters_, part_.tensor);
  if (has_experts(settings_, layer)) {
    return {layer, attention, Experts(settings_, name + ".experts", parameters_, part_)};
  }
  return {layer, attention, FeedForward(settings_, name + ".feed_forward", parameters_, part_.tensor)};
}

std::vector<std::pair<int64_t, const Router*>> Transformer::routers() const {
  std::vector<std::pair<int64_t, const Router*>> found;
  for (const Stage& stage : stages_) {
    for (const Block& block : stage.blocks) {
      const auto* experts = std::get_if<Experts>(&block.feed_forward);
      if (experts != nullptr) found.emplace_back(block.layer, &experts->router());
    }
  }
  return found;
}

at::Tensor Transformer::run_block(const Block& block, const at::Tensor& x,
                                  const AttentionInputs& inputs) const {
  Produced produced = recompute_ == NumericsSettings::selective ? Produced::kRecompute : Produced::kKeep;
  auto segment = [&block, inputs, produced](const at::Tensor& in) {
    at::Tensor between = in + block.attention.forward(in, inputs, produced);
    const auto* experts = std::get_if<Experts>(&block.feed_forward);
    if (experts != nullptr)
      return between + experts->forward(between, inputs.token_order, produced, inputs.share.stream);
    return between + std::get<FeedForward>(block.feed_forward).forward(between, produced, inputs.share);
  };
  return recompute_ == NumericsSettings::full ? recompute(segment, x) : segment(x);
}

ContextCut Transformer::context_cut() const {
  if (part_.context == nullptr) return {};
  return {part_.context_kind, part_.context->rank().value(), part_.context->size()};
}

// documents [B, T] of whole rows; with a cache rows are not shared.
at::Tensor Transformer::first_keys_of(const at::Tensor& positions, const at::Tensor& documents,
                                      const Cache* cache) const {
  ContextCut cut = cache == nullptr ? context_cut() : ContextCut();
  int64_t time = positions.size(1) * cut.ranks, window = settings_.sliding_window();
  if (!documents.defined() && (window == 0 || window >= time)) return {};
  at::Tensor firsts = first_keys(
      documents.defined() ? documents : at::zeros({positions.size(0), time}, positions.options()), window);
  return cut.kind == parallel::MeshSettings::ring ? cut(firsts) : firsts;
}

AttentionInputs Transformer::inputs_of(const Rows& rows, const Cache* cache, TensorShare share) const {
  const at::Tensor& positions = rows.positions;
  bool on_cpu_kernels = fits_cached_attention((*parameters_.begin())->value);
  AttentionInputs inputs;
  inputs.share = share;
  inputs.positions = positions;
  inputs.window = settings_.sliding_window();
  if (cache != nullptr) inputs.fill = cache->fill;
  if (!rows.branches.empty()) {
    expect(cache != nullptr, "branches stand behind a cache");
    inputs.branches = &rows.branches;
    if (!on_cpu_kernels)
      inputs.mask =
          branch_mask(rows.branches, positions.size(1), cache->slots, inputs.window).to(positions.device());
  } else if (cache == nullptr || cache->fill == CacheFill::kEmpty) {
    inputs.first_keys = first_keys_of(positions, rows.documents, cache);
    if (cache == nullptr) inputs.context = part_.context;
    inputs.context_kind = part_.context_kind;
  } else if (!on_cpu_kernels) {
    inputs.mask = cache_mask(positions, cache->slots, inputs.window);
  }
  if (cache == nullptr && settings_.experts().capacity_factor() > 0) {
    ContextCut cut = share.stream == Stream::kShards ? context_cut() : ContextCut();
    int64_t time = positions.size(1) * cut.ranks;
    at::Tensor order = cut(at::arange(time, positions.options()).expand({positions.size(0), time}));
    inputs.token_order = share.in_shards() ? own_shard(order, *share.group) : order;
  }
  if (rotary_table_.defined()) {
    at::Tensor rotary_rows = rotary_table_.index_select(1, positions.reshape({-1}));
    inputs.rotary_rows = rotary_rows.view({2, positions.size(0), positions.size(1), -1});  // [2, B, T, D/2]
  }
  return inputs;
}

at::Tensor Transformer::embed_tokens(const at::Tensor& tokens, TensorShare share) const {
  if (share.group == nullptr) return embedding(embedding_->value, tokens, embedding_->sink);
  VocabularyPart vocabulary(embedding_->value, share.group);
  at::Tensor own = embedding_part(embedding_->value, vocabulary.rows_of(tokens), embedding_->sink);
  if (share.in_shards()) return parallel::reduce_scatter(own, 1, *share.group);
  share.group->all_reduce(own);
  return own;
}

at::Tensor Transformer::embed_positions(const at::Tensor& positions, TensorShare share) const {
  auto of = [&](const at::Tensor& here) {
    return embedding(position_embedding_->value, here, position_embedding_->sink);
  };
  if (share.blocks < 2) return of(positions);
  std::vector<at::Tensor> parts;
  for (const at::Tensor& shard : positions.chunk(share.blocks, 1)) parts.push_back(of(shard));
  return at::cat(parts, 1);
}

at::Tensor Transformer::embed(const at::Tensor& tokens, const at::Tensor& positions,
                              TensorShare share) const {
  UnitUse* use = parameters_.unit_use();
  if (use != nullptr) use->need(kEmbeddingUnit, unit_of(0));
  at::Tensor x = embed_tokens(tokens, share);  // [B, T, C], a shard of it [B, T/tp, C]
  if (position_embedding_ != nullptr) {
    at::Tensor here = share.in_shards() ? own_shard(positions, *share.group) : positions;
    x = x + embed_positions(here, share);
  }
  if (use != nullptr) use->done(kEmbeddingUnit);  // backward does not read it
  return x;
}

UnitPass Transformer::pass_of(const Stage& stage, int64_t layer) const {
  UnitPass pass{parameters_.unit_use(), unit_of(layer)};
  if (layer > stage.range.first) pass.before = pass.unit - 1;
  if (layer + 1 < stage.range.last || layer + 1 == settings_.layers()) pass.after = pass.unit + 1;
  return pass;
}

at::Tensor Transformer::run_stage(const Stage& stage, at::Tensor x, AttentionInputs& inputs,
                                  Cache* cache) const {
  for (size_t i = 0; i < stage.blocks.size(); ++i) {
    auto layer = static_cast<size_t>(stage.range.first) + i;
    inputs.cache = cache != nullptr ? &cache->layers[layer] : nullptr;
    UnitPass pass = pass_of(stage, stage.range.first + static_cast<int64_t>(i));
    x = pass.leave(run_block(stage.blocks[i], pass.enter(x), inputs));
  }
  return x;
}

at::Tensor Transformer::final_norm(const at::Tensor& x, TensorShare share) const {
  std::vector<int64_t> units{unit_of(settings_.layers())};
  bool tied_here = output_ == nullptr && value_head_ == nullptr;
  if (tied_here) units.push_back(kEmbeddingUnit);
  at::Tensor entered = enter_last(x, parameters_.unit_use(), units);
  at::Tensor y =
      share.blocks > 0
          ? norm_in_blocks(entered, final_norm_->value, value_of(final_norm_bias_), settings_.norm_epsilon(),
                           1, share.blocks, norm_sinks(*final_norm_, final_norm_bias_))
          : norm(entered, final_norm_->value, value_of(final_norm_bias_), settings_.norm_epsilon());
  double multiplier = output_multiplier(settings_);
  return multiplier == 1.0 ? y : y * multiplier;
}

at::Tensor Transformer::forward_stage(size_t stage, const at::Tensor& x, const Rows& rows,
                                      Cache* cache) const {
  TensorShare share{part_.tensor, cache == nullptr ? Stream::kShards : Stream::kWhole,
                    cache == nullptr ? part_.blocks : 0};
  AttentionInputs inputs = inputs_of(rows, cache, share);
  at::Tensor y =
      run_stage(stages_[stage], embeds(stage) ? embed(rows.tokens, rows.positions, share) : x, inputs, cache);
  return ends(stage) ? final_norm(y, share) : y;
}

at::Tensor Transformer::forward(const at::Tensor& tokens, const at::Tensor& positions,
                                const at::Tensor& documents, Cache* cache) const {
  expect(embedding_ != nullptr && final_norm_ != nullptr, "all stages of the model are here");
  expect(part_.tensor == nullptr || !at::GradMode::is_enabled(), "gradients go through forward_stage");
  TensorShare share{part_.tensor, Stream::kWhole};
  Rows rows;
  rows.positions = positions;
  rows.documents = documents;
  AttentionInputs inputs = inputs_of(rows, cache, share);
  at::Tensor x = embed(tokens, positions, share);
  for (const Stage& stage : stages_) x = run_stage(stage, x, inputs, cache);
  if (cache != nullptr) cache->fill = CacheFill::kSome;
  return final_norm(x, share);
}

const Parameter& Transformer::output() const {
  require(
      settings_.head() != ModelSettings::scalar,
      "this model has a scalar head (model.head: scalar): it scores texts and can not predict tokens; give "
      "the checkpoint of a model with an output layer");
  const Parameter* layer = output_ != nullptr ? output_ : embedding_;
  expect(final_norm_ != nullptr && layer != nullptr, "the last stage has the output layer");
  return *layer;
}

at::Tensor Transformer::logits(const at::Tensor& hidden) const {
  at::Tensor logits = inference_linear(hidden, {{output().value, at::Tensor()}}, at::kFloat)[0];
  if (at::isReducedFloatingType(logits.scalar_type())) logits = logits.to(at::kFloat);
  if (part_.tensor == nullptr) return logits;
  return parallel::gathered(logits, logits.dim() - 1, *part_.tensor);
}

at::Tensor Transformer::values(const at::Tensor& hidden) const {
  expect(value_head_ != nullptr, "a scalar head is here");
  // A bf16 product would leave rewards 8 bits.
  auto wide = hidden.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  at::Tensor own = at::matmul(hidden.to(wide), value_head_->value.to(wide).t()) +
                   value_head_bias_->value.to(wide);  // [B, T/tp, 1]
  own = own.squeeze(-1);
  return part_.tensor == nullptr ? own : parallel::gather_alike(own, 1, *part_.tensor);
}

Cache Transformer::make_cache(int64_t rows, int64_t slots) const {
  Cache cache;
  cache.slots = slots;
  auto options = at::TensorOptions().dtype(parameters_.precision().compute).device(parameters_.device());
  int64_t kv_heads = stages_[0].blocks[0].attention.kv_heads();
  std::vector<int64_t> shape{rows, kv_heads, slots, head_width(settings_)};
  cache.layers.resize(static_cast<size_t>(settings_.layers()));
  for (const Stage& stage : stages_) {
    for (int64_t layer = stage.range.first; layer < stage.range.last; ++layer) {
      cache.layers[static_cast<size_t>(layer)] = {at::zeros(shape, options), at::zeros(shape, options)};
    }
  }
  return cache;
}

int64_t model_elements(const ModelSettings& settings) {
  Transformer shapes(settings, NumericsSettings::none, {at::kFloat, at::kFloat}, at::kMeta);
  return shapes.parameters().elements();
}

int64_t non_embedding_elements(const ModelSettings& settings) {
  Transformer shapes(settings, NumericsSettings::none, {at::kFloat, at::kFloat}, at::kMeta);
  int64_t count = 0;
  for (const auto& parameter : shapes.parameters()) {
    if (parameter->role == Role::kEmbedding || parameter->role == Role::kOutput) continue;
    count += c10::multiply_integers(parameter->shape);
  }
  return count;
}

Precision precision_of(NumericsSettings::Compute compute) {
  switch (compute) {
    case NumericsSettings::fp32:
      return {at::kFloat, at::kFloat};
    case NumericsSettings::bf16:
      return {at::kFloat, at::kBFloat16};
    case NumericsSettings::fp64:
      return {at::kDouble, at::kDouble};
  }
  return {};
}

}  // namespace sextant::trainer
