#include "trainer/generation/generate.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "parallel/base/error.h"
#include "trainer/kernels/share_out.h"
#include "trainer/kernels/simd_memory.h"
#include "trainer/kernels/softmax.h"

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

// Some prompts side by side, padded at the end with a token whose results nobody reads. [B, longest]
at::Tensor pad(const std::vector<std::vector<int32_t>>& prompts, int64_t first, int64_t count) {
  size_t longest = 0;
  for (int64_t row = 0; row < count; ++row) {
    longest = std::max(longest, prompts[static_cast<size_t>(first + row)].size());
  }
  at::Tensor tokens = at::zeros({count, static_cast<int64_t>(longest)}, at::kLong);
  auto access = tokens.accessor<int64_t, 2>();
  for (int64_t row = 0; row < count; ++row) {
    const auto& prompt = prompts[static_cast<size_t>(first + row)];
    for (size_t t = 0; t < prompt.size(); ++t) access[row][static_cast<int64_t>(t)] = prompt[t];
  }
  return tokens;
}

// log sum exp of each row, [B], in the type of the logits.
at::Tensor row_log_sum_exp(const at::Tensor& logits) {
  return fits_simd(logits) ? log_sum_exp(logits) : at::logsumexp(logits, -1);
}

// One generation under way.
class Decoding {
 public:
  Decoding(Passes& passes, const std::vector<std::vector<int32_t>>& prompts,
           const GenerationSettings& settings)
      : passes_(passes), settings_(settings), key_(settings.seed, "generate"), completions_(prompts.size()) {
    const Transformer& model = passes.model();
    int64_t longest = 0;
    for (const auto& prompt : prompts) {
      lengths_.push_back(static_cast<int64_t>(prompt.size()));
      longest = std::max(longest, lengths_.back());
    }
    slots_ = std::min<int64_t>(model.settings().context(), longest + settings.tokens);
    auto rows = static_cast<int64_t>(prompts.size());
    cache_ = model.make_cache(rows, slots_);
    tokens_ = at::zeros({rows, 1}, at::kLong);
    positions_ = at::zeros({rows, 1}, at::kLong);
    // On a CPU a prompt at a time: nothing is padded, and its numbers do not depend on the other prompts. A
    // GPU wants them all together.
    int64_t together = model.parameters().device().is_cpu() ? 1 : rows;
    std::vector<at::Tensor> last;  // hidden rows
    for (int64_t first = 0; first < rows; first += together)
      last.push_back(read_prompts(prompts, first, together));
    cache_.fill = CacheFill::kSome;
    logits_ = passes_.logits(at::cat(last));  // [B, V]
  }

  // Chooses a token for every row that goes on; how many do.
  int64_t choose(const TokenCallback& on_token) {
    std::vector<int64_t> chosen = agreed(choose_ids());
    at::Tensor ids = at::tensor(chosen, at::kLong).to(logits_.device());
    at::Tensor log_probabilities = logits_.gather(1, ids.unsqueeze(1)).squeeze(1).to(at::kDouble) -
                                   row_log_sum_exp(logits_).to(at::kDouble);  // [B]
    log_probabilities = log_probabilities.to(at::kCPU);
    auto log_probability = log_probabilities.accessor<double, 1>();
    int64_t going_on = 0;
    for (size_t row = 0; row < completions_.size(); ++row) {
      if (done(row)) continue;
      ++going_on;
      auto id = static_cast<int32_t>(chosen[row]);
      completions_[row].ids.push_back(id);
      completions_[row].log_probabilities.push_back(log_probability[static_cast<int64_t>(row)]);
      completions_[row].ended =
          is_stop(id) || (settings_.stop_when && settings_.stop_when(completions_[row].ids));
      if (on_token) on_token(row, id);
    }
    return going_on;
  }

  bool is_stop(int32_t id) const {
    return std::find(settings_.stop_tokens.begin(), settings_.stop_tokens.end(), id) !=
           settings_.stop_tokens.end();
  }

  bool finished() const {
    for (size_t row = 0; row < completions_.size(); ++row) {
      if (!done(row)) return false;
    }
    return true;
  }

  // Runs the newest token of every row through the model. Rows that are done repeat their last one.
  void advance() {
    auto *token = tokens_.data_ptr<int64_t>(), *position = positions_.data_ptr<int64_t>();
    for (size_t row = 0; row < completions_.size(); ++row) {
      const auto& ids = completions_[row].ids;
      auto made = static_cast<int64_t>(ids.size());
      token[row] = made > 0 ? ids.back() : 0;
      position[row] = std::min(lengths_[row] + made - 1, slots_ - 1);
    }
    logits_ = passes_.logits(forward(tokens_, positions_, cache_).squeeze(1));
  }

  std::vector<Completion> take() { return std::move(completions_); }

 private:
  bool done(size_t row) const {
    auto made = static_cast<int64_t>(completions_[row].ids.size());
    return completions_[row].ended || made >= settings_.tokens || lengths_[row] + made >= slots_;
  }

  // Fills some rows of the empty cache; the hidden row of each prompt's last token, [count, C].
  at::Tensor read_prompts(const std::vector<std::vector<int32_t>>& prompts, int64_t first, int64_t count) {
    at::Tensor tokens = pad(prompts, first, count);
    at::Tensor positions = at::arange(tokens.size(1), at::kLong).unsqueeze(0).expand_as(tokens).contiguous();
    Cache rows = cache_.rows(first, count);
    at::Tensor hidden = forward(tokens, positions, rows);  // [count, T, C]
    std::vector<at::Tensor> last;
    for (int64_t row = 0; row < count; ++row) {
      last.push_back(hidden[row].narrow(0, lengths_[static_cast<size_t>(first + row)] - 1, 1));
    }
    return at::cat(last);
  }

  at::Tensor forward(const at::Tensor& tokens, const at::Tensor& positions, Cache& cache) {
    auto device = passes_.model().parameters().device();
    return passes_.hidden(tokens.to(device), positions.to(device), cache);
  }

  // Ranks that share experts have all of their tokens in one product, whose rows may round differently: the
  // first rank's choice holds for all, so that they go on together.
  std::vector<int64_t> agreed(const std::vector<int64_t>& chosen) const {
    parallel::Group* expert = passes_.model().part().expert;
    if (expert == nullptr) return chosen;
    at::Tensor ids = at::tensor(chosen, at::kLong);
    expert->broadcast(ids, Rank(0));
    return {ids.data_ptr<int64_t>(), ids.data_ptr<int64_t>() + ids.numel()};
  }

  std::vector<int64_t> choose_ids() const {
    if (settings_.sampling.temperature <= 0) {
      at::Tensor ids = at::argmax(logits_, -1).to(at::kCPU);
      return {ids.data_ptr<int64_t>(), ids.data_ptr<int64_t>() + ids.numel()};
    }
    std::vector<int64_t> chosen(completions_.size());
    at::Tensor logits = logits_.to(at::kCPU).contiguous();
    int64_t vocabulary = logits.size(1);
    share_out(0, logits.size(0), 1, [&](int64_t first, int64_t last) {
      for (int64_t row = first; row < last; ++row) {
        auto index = static_cast<size_t>(row);
        double uniform = key_.uniform(settings_.first_prompt + index, completions_[index].ids.size());
        chosen[index] = logits.scalar_type() == at::kDouble
                            ? trainer::choose(logits.data_ptr<double>() + row * vocabulary, vocabulary,
                                              settings_.sampling, uniform)
                            : trainer::choose(logits.data_ptr<float>() + row * vocabulary, vocabulary,
                                              settings_.sampling, uniform);
      }
    });
    return chosen;
  }

  Passes& passes_;
  const GenerationSettings& settings_;
  RandomKey key_;
  std::vector<Completion> completions_;
  std::vector<int64_t> lengths_;
  int64_t slots_ = 0;
  Cache cache_;
  at::Tensor tokens_, positions_;  // [B, 1] of the newest tokens
  at::Tensor logits_;              // [B, V] fp32 or fp64, of the token that comes next
};

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

std::vector<Completion> generate(Passes& passes, const std::vector<std::vector<int32_t>>& prompts,
                                 const GenerationSettings& settings, const TokenCallback& on_token,
                                 GenerationSpeed* speed) {
  c10::InferenceMode inference;
  GenerationSpeed measured;
  if (speed == nullptr) speed = &measured;
  *speed = GenerationSpeed();
  if (prompts.empty()) return {};
  check_prompts(passes.model(), prompts);
  for (const auto& prompt : prompts) speed->prompt_tokens += static_cast<int64_t>(prompt.size());
  auto begin = std::chrono::steady_clock::now();
  Decoding decoding(passes, prompts, settings);
  speed->prompt_seconds = seconds_since(begin);
  begin = std::chrono::steady_clock::now();
  decoding.choose(on_token);
  while (!decoding.finished()) {
    decoding.advance();
    speed->decoded_tokens += decoding.choose(on_token);
  }
  speed->decode_seconds = seconds_since(begin);
  return decoding.take();
}

std::vector<Completion> generate(const Transformer& model, const std::vector<std::vector<int32_t>>& prompts,
                                 const GenerationSettings& settings, const TokenCallback& on_token,
                                 GenerationSpeed* speed) {
  Passes alone(model);
  return generate(alone, prompts, settings, on_token, speed);
}

}  // namespace sextant::trainer
