#include "trainer/model/model_rules.h"

#include <fmt/format.h>

#include <limits>

namespace sextant::trainer {
namespace {

// Multiples of this suit matrix units.
constexpr int64_t kRound = 64;

int64_t rounded_up(int64_t value) {
  return (value + kRound - 1) / kRound * kRound;
}

int64_t kv_heads_of(const ModelSettings& model) {
  return model.has_kv_heads() ? model.kv_heads() : model.heads();
}

// "4 or 8": the divisors of `whole` on both sides of `near`.
std::string divisors_near(int64_t whole, int64_t near) {
  int64_t below = std::min(near, whole), above = near;
  while (below > 1 && whole % below != 0) --below;
  while (above < whole && whole % above != 0) ++above;
  if (above >= whole) return fmt::format("{}", below);
  return fmt::format("{} or {}", below, above);
}

std::vector<Complaint> head_complaints(const ModelSettings& model) {
  std::vector<Complaint> found;
  int64_t width = model.width(), heads = model.heads(), kv_heads = kv_heads_of(model);
  bool rotary = model.kind() == ModelSettings::llama;
  if (model.has_head_width()) {
    if (rotary && model.head_width() % 2 != 0) {
      found.push_back(
          {"model.head_width", fmt::format("{} is odd, and rotary positions turn pairs of channels; set "
                                           "model.head_width={}",
                                           model.head_width(), model.head_width() + 1)});
    }
  } else if (width % heads != 0) {
    found.push_back({"model.heads", fmt::format("{} heads do not divide model.width={}; set model.heads={}",
                                                heads, width, divisors_near(width, heads))});
  } else if (rotary && width / heads % 2 != 0) {
    found.push_back(
        {"model.heads", fmt::format("model.width={} over {} heads gives a head width of {}, and rotary "
                                    "positions turn pairs of channels: make it even",
                                    width, heads, width / heads)});
  }
  if (heads % kv_heads != 0) {
    found.push_back({"model.kv_heads", fmt::format("{} key and value heads do not divide model.heads={}; set "
                                                   "model.kv_heads={}",
                                                   kv_heads, heads, divisors_near(heads, kv_heads))});
  }
  return found;
}

std::vector<Complaint> expert_complaints(const ModelSettings& model) {
  std::vector<Complaint> found;
  const ExpertSettings& experts = model.experts();
  if (experts.count() == 0) return found;
  if (model.kind() == ModelSettings::gpt2) {
    found.push_back({"model.experts.count", "gpt2 has none; set it to 0, or set model.kind=llama"});
  }
  if (experts.per_token() > experts.count()) {
    found.push_back({"model.experts.per_token",
                     fmt::format("a token can not go to {} of {} experts; set model.experts.per_token={}",
                                 experts.per_token(), experts.count(), experts.count())});
  }
  if (model.feed_forward_bias()) {
    found.push_back({"model.feed_forward_bias", "experts have none; set it to false"});
  }
  if (experts.first_layer() >= model.layers()) {
    found.push_back(
        {"model.experts.first_layer",
         fmt::format("{} is after the last of model.layers={} blocks (counted from 0), so that none has "
                     "experts; set it to {} or less, or model.experts.count=0",
                     experts.first_layer(), model.layers(), model.layers() - 1)});
  }
  return found;
}

}  // namespace

std::vector<Complaint> model_complaints(const ModelSettings& model) {
  std::vector<Complaint> found = head_complaints(model);
  for (Complaint& complaint : expert_complaints(model)) found.push_back(std::move(complaint));
  const RotaryScaling& scaling = model.rotary_scaling();
  if (scaling.kind() == RotaryScaling::llama3 && scaling.high_frequency() <= scaling.low_frequency()) {
    found.push_back({"model.rotary_scaling.high_frequency",
                     fmt::format("{} is not above model.rotary_scaling.low_frequency={}",
                                 scaling.high_frequency(), scaling.low_frequency())});
  }
  if (model.kind() != ModelSettings::gpt2) return found;
  if (kv_heads_of(model) != model.heads()) {
    found.push_back(
        {"model.kv_heads", fmt::format("gpt2 has no grouped attention: {} differs from model.heads={}; "
                                       "remove it, or set model.kind=llama",
                                       kv_heads_of(model), model.heads())});
  }
  auto llama_only = [&](const char* key, const char* otherwise) {
    found.push_back({key, fmt::format("gpt2 has none; {}, or set model.kind=llama", otherwise)});
  };
  if (model.qk_norm()) llama_only("model.qk_norm", "set it to false");
  if (model.sliding_window() > 0) llama_only("model.sliding_window", "set it to 0");
  if (model.rotary_scaling().kind() != RotaryScaling::unscaled) {
    llama_only("model.rotary_scaling.kind", "set it to unscaled");
  }
  if (model.has_head_width() && int64_t{model.head_width()} * model.heads() != model.width()) {
    found.push_back(
        {"model.head_width", fmt::format("gpt2's heads are as wide as model.width={} over model.heads={}; "
                                         "remove it, or set model.kind=llama",
                                         model.width(), model.heads())});
  }
  return found;
}

int64_t head_width(const ModelSettings& model) {
  return model.has_head_width() ? model.head_width() : model.width() / model.heads();
}

bool has_experts(const ModelSettings& model, int64_t layer) {
  const ExpertSettings& experts = model.experts();
  return experts.count() > 0 && layer >= experts.first_layer() &&
         (layer - experts.first_layer()) % experts.every() == 0;
}

int64_t expert_layers(const ModelSettings& model) {
  int64_t found = 0;
  for (int64_t layer = 0; layer < model.layers(); ++layer) found += has_experts(model, layer) ? 1 : 0;
  return found;
}

int64_t expert_width(const ModelSettings& model) {
  return model.experts().has_ffn_width() ? model.experts().ffn_width() : model.ffn_width();
}

void copy_expert_training(const ModelSettings& from, ModelSettings& into) {
  if (from.experts().count() == 0 || into.experts().count() == 0) return;
  const ExpertSettings& rules = from.experts();
  ExpertSettings& experts = *into.mutable_experts();
  experts.set_balance_loss(rules.balance_loss());
  experts.set_balance_over(rules.balance_over());
  experts.set_z_loss(rules.z_loss());
  experts.set_capacity_factor(rules.capacity_factor());
}

std::vector<Complaint> vocabulary_complaints(const ModelSettings& model, int64_t tokenizer_vocabulary) {
  if (!model.has_vocabulary() || model.vocabulary() >= tokenizer_vocabulary) return {};
  return {{"model.vocabulary",
           fmt::format("{} rows are fewer than the tokenizer's {} ids; set model.vocabulary={}, or remove it",
                       model.vocabulary(), tokenizer_vocabulary, rounded_up(tokenizer_vocabulary))}};
}

void fill_model_defaults(ModelSettings& model, int64_t tokenizer_vocabulary) {
  bool gpt2 = model.kind() == ModelSettings::gpt2;
  int64_t width = model.width();
  if (!model.has_kv_heads()) model.set_kv_heads(model.heads());
  if (!model.has_ffn_width()) {
    // The gated layer has three matrices: 8/3 width gives it the size of an ungated one of 4 width.
    model.set_ffn_width(static_cast<int32_t>(gpt2 ? 4 * width : rounded_up((8 * width + 2) / 3)));
  }
  if (model.experts().count() > 0 && !model.experts().has_ffn_width()) {
    model.mutable_experts()->set_ffn_width(model.ffn_width());
  }
  if (!model.has_tied_embeddings()) model.set_tied_embeddings(gpt2);
  if (!model.has_vocabulary() && tokenizer_vocabulary > 0) {
    model.set_vocabulary(static_cast<int32_t>(
        std::min<int64_t>(rounded_up(tokenizer_vocabulary), std::numeric_limits<int32_t>::max())));
  }
}

}  // namespace sextant::trainer
