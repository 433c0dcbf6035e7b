#include "trainer/generation/generate.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <algorithm>

#include "parallel/base/error.h"

namespace sextant::trainer {
namespace {

void check_prompts(const Transformer& model, const std::vector<std::vector<int32_t>>& prompts) {
  for (size_t i = 0; i < prompts.size(); ++i) {
    require(!prompts[i].empty(), fmt::format("prompt {} is empty; give it at least one token", i));
    auto length = static_cast<int64_t>(prompts[i].size());
    if (length >= model.settings().context()) {
      fail_input(fmt::format(
          "prompt {} has {} tokens, but the model's context is {}; shorten the prompt to {} or less", i,
          length, model.settings().context(), model.settings().context() - 1));
    }
    for (int32_t id : prompts[i]) {
      if (id < 0 || id >= model.settings().vocabulary()) {
        fail_input(fmt::format(
            "prompt {} holds id {}, but the model's vocabulary ends at {}; was the tokenizer made "
            "for this model?",
            i, id, model.settings().vocabulary() - 1));
      }
    }
  }
}

// Prompts side by side, padded at the end with a token whose results nobody reads. [B, longest]
at::Tensor pad(const std::vector<std::vector<int32_t>>& prompts, int64_t longest) {
  at::Tensor tokens = at::zeros({static_cast<int64_t>(prompts.size()), longest}, at::kLong);
  auto access = tokens.accessor<int64_t, 2>();
  for (size_t row = 0; row < prompts.size(); ++row) {
    for (size_t t = 0; t < prompts[row].size(); ++t) {
      access[static_cast<int64_t>(row)][static_cast<int64_t>(t)] = prompts[row][t];
    }
  }
  return tokens;
}

// One generation under way.
class Decoding {
 public:
  Decoding(const Transformer& model, const std::vector<std::vector<int32_t>>& prompts,
           const GenerationSettings& settings)
      : model_(model), settings_(settings), key_(settings.seed, "generate"), completions_(prompts.size()) {
    int64_t longest = 0;
    for (const auto& prompt : prompts) {
      lengths_.push_back(static_cast<int64_t>(prompt.size()));
      longest = std::max(longest, lengths_.back());
    }
    slots_ = std::min<int64_t>(model.settings().context(), longest + settings.tokens);
    cache_ = model.make_cache(static_cast<int64_t>(prompts.size()), slots_);
    at::Tensor tokens = pad(prompts, longest);
    at::Tensor positions = at::arange(longest, at::kLong).unsqueeze(0).expand_as(tokens);
    at::Tensor last = at::tensor(lengths_, at::kLong) - 1;  // [B]
    at::Tensor hidden = forward(tokens, positions.contiguous());
    read(hidden.index({at::arange(tokens.size(0), hidden.device()), last.to(hidden.device())}));
  }

  // Chooses a token for every row that goes on; false when none does.
  bool choose(const TokenCallback& on_token) {
    bool any = false;
    auto access = log_probabilities_.accessor<double, 2>();
    for (size_t row = 0; row < completions_.size(); ++row) {
      if (done(row)) continue;
      any = true;
      const double* begin = access[static_cast<int64_t>(row)].data();
      std::vector<double> values(begin, begin + log_probabilities_.size(1));
      uint64_t made = completions_[row].ids.size();
      auto id = static_cast<int32_t>(draw(candidates(values, settings_.sampling), key_.uniform(row, made)));
      completions_[row].ids.push_back(id);
      completions_[row].log_probabilities.push_back(values[static_cast<size_t>(id)]);
      completions_[row].ended = settings_.stop_token == id;
      if (on_token) on_token(row, id);
    }
    return any;
  }

  bool finished() const {
    for (size_t row = 0; row < completions_.size(); ++row) {
      if (!done(row)) return false;
    }
    return true;
  }

  // Runs the newest token of every row through the model. Rows that are done repeat their last one.
  void advance() {
    auto rows = static_cast<int64_t>(completions_.size());
    at::Tensor tokens = at::zeros({rows, 1}, at::kLong), positions = at::zeros({rows, 1}, at::kLong);
    for (int64_t row = 0; row < rows; ++row) {
      const auto& ids = completions_[static_cast<size_t>(row)].ids;
      int64_t made = static_cast<int64_t>(ids.size());
      tokens[row][0] = made > 0 ? ids.back() : 0;
      int64_t position = lengths_[static_cast<size_t>(row)] + made - 1;
      positions[row][0] = std::min(position, slots_ - 1);
    }
    read(forward(tokens, positions).squeeze(1));
  }

  std::vector<Completion> take() { return std::move(completions_); }

 private:
  bool done(size_t row) const {
    auto made = static_cast<int64_t>(completions_[row].ids.size());
    return completions_[row].ended || made >= settings_.tokens || lengths_[row] + made >= slots_;
  }

  at::Tensor forward(const at::Tensor& tokens, const at::Tensor& positions) {
    auto device = model_.parameters().device();
    return model_.forward(tokens.to(device), positions.to(device), at::Tensor(), &cache_);
  }

  void read(const at::Tensor& hidden) {  // [B, C] to [B, V]
    log_probabilities_ = at::log_softmax(model_.logits(hidden), -1).to(at::kDouble).to(at::kCPU).contiguous();
  }

  const Transformer& model_;
  const GenerationSettings& settings_;
  RandomKey key_;
  std::vector<Completion> completions_;
  std::vector<int64_t> lengths_;
  int64_t slots_ = 0;
  Cache cache_;
  at::Tensor log_probabilities_;  // [B, V] fp64, of the token that comes next
};

}  // namespace

std::vector<Completion> generate(const Transformer& model, const std::vector<std::vector<int32_t>>& prompts,
                                 const GenerationSettings& settings, const TokenCallback& on_token) {
  at::NoGradGuard no_gradient;
  if (prompts.empty()) return {};
  check_prompts(model, prompts);
  Decoding decoding(model, prompts, settings);
  while (decoding.choose(on_token) && !decoding.finished()) decoding.advance();
  return decoding.take();
}

}  // namespace sextant::trainer
