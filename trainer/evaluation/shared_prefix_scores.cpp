#include "trainer/evaluation/shared_prefix_scores.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "parallel/base/error.h"
#include "trainer/kernels/simd_memory.h"
#include "trainer/kernels/softmax.h"

// O texts, P ids that they share, T ids after these, C channels, V vocabulary.
namespace sextant::trainer {
namespace {

constexpr int64_t kLogitRows = 256;   // rows of logits in memory at one time
constexpr size_t kWorthKeeping = 16;  // ids; fewer are read again

// The ids of a text that the model reads: the last one is only measured.
size_t read_length(const ScoredText& text) {
  return text.ids.size() - 1;
}

size_t shared_length(const std::vector<ScoredText>& texts) {
  size_t shared = read_length(texts[0]);
  for (const ScoredText& text : texts) {
    size_t most = std::min(shared, read_length(text));
    auto [mine, unused] =
        std::mismatch(text.ids.begin(), text.ids.begin() + static_cast<int64_t>(most), texts[0].ids.begin());
    shared = static_cast<size_t>(mine - text.ids.begin());
  }
  return shared;
}

// How many ids at the front are read on their own: those that all texts mark.
size_t kept_length(const std::vector<ScoredText>& texts) {
  size_t kept = shared_length(texts);
  for (const ScoredText& text : texts) kept = std::min({kept, text.kept, text.first - 1});
  return kept < kWorthKeeping ? 0 : kept;
}

void check_texts(const Transformer& model, const std::vector<ScoredText>& texts) {
  for (const ScoredText& text : texts) {
    expect(text.first >= 1 && text.first < text.ids.size(), "something of the text is measured");
    expect(std::ssize(text.ids) <= model.settings().context() + 1, "the text fits into the context");
    for (int32_t id : text.ids) {
      if (id >= 0 && id < model.settings().vocabulary()) continue;
      fail_input(
          fmt::format("id {} is outside the model's vocabulary of {}; was the tokenizer made for this model?",
                      id, model.settings().vocabulary()));
    }
  }
}

// The channels from which each measured id is predicted, text by text, [N, C].
class TextReading {
 public:
  TextReading(Passes& passes, const std::vector<ScoredText>& texts, KeptPrefix& prefix)
      : passes_(passes),
        texts_(texts),
        prefix_(prefix),
        kept_(static_cast<int64_t>(kept_length(texts))),
        shared_(static_cast<int64_t>(shared_length(texts))) {
    for (const ScoredText& text : texts)
      longest_ = std::max(longest_, static_cast<int64_t>(read_length(text)) - shared_);
  }

  at::Tensor hidden() {
    auto rows = std::ssize(texts_);
    Cache cache = passes_.model().make_cache(longest_ > 0 ? rows : 1, shared_ + longest_);
    at::Tensor front, ends;
    if (shared_ > 0) front = read_front(cache);
    if (longest_ > 0) ends = read_ends(cache);
    std::vector<at::Tensor> parts;
    for (int64_t i = 0; i < rows; ++i) {
      // Id t is predicted at t - 1.
      const ScoredText& text = texts_[static_cast<size_t>(i)];
      auto begin = static_cast<int64_t>(text.first) - 1, end = static_cast<int64_t>(read_length(text));
      if (begin < shared_) parts.push_back(front.narrow(0, begin - kept_, std::min(end, shared_) - begin));
      int64_t from = std::max(begin, shared_);
      if (end > from) parts.push_back(ends[i].narrow(0, from - shared_, end - from));
    }
    return at::cat(parts);
  }

 private:
  Passes& passes_;
  const std::vector<ScoredText>& texts_;
  KeptPrefix& prefix_;
  int64_t kept_;         // K: read on their own
  int64_t shared_;       // P, K included
  int64_t longest_ = 0;  // what a text adds to what is shared

  at::Tensor forward(const at::Tensor& tokens, const at::Tensor& positions, Cache& cache) {
    auto device = passes_.model().parameters().device();
    return passes_.hidden(tokens.to(device), positions.to(device), cache);
  }

  // One row of ids [begin, end), which all texts have in common. [T, C]
  at::Tensor read_row(int64_t begin, int64_t end, Cache& cache) {
    std::vector<int64_t> ids(texts_[0].ids.begin() + begin, texts_[0].ids.begin() + end);
    at::Tensor tokens = at::tensor(ids, at::kLong).unsqueeze(0);  // [1, T]
    return forward(tokens, at::arange(begin, end, at::kLong).unsqueeze(0), cache)[0];
  }

  // Puts what is kept into the front of a row, and reads it where it is not there.
  void take_prefix(Cache& row) {
    std::vector<int32_t> ids(texts_[0].ids.begin(), texts_[0].ids.begin() + kept_);
    if (prefix_.ids != ids) {
      prefix_.cache = passes_.model().make_cache(1, kept_);
      read_row(0, kept_, prefix_.cache);
      prefix_.ids = std::move(ids);
    }
    for (size_t i = 0; i < row.layers.size(); ++i) {
      if (!row.layers[i].keys.defined()) continue;
      row.layers[i].keys.narrow(2, 0, kept_).copy_(prefix_.cache.layers[i].keys);
      row.layers[i].values.narrow(2, 0, kept_).copy_(prefix_.cache.layers[i].values);
    }
    row.fill = CacheFill::kSome;
  }

  // Reads what is shared into the first row of the cache, and copies it to the others. [P - K, C]
  at::Tensor read_front(Cache& cache) {
    Cache first = cache.rows(0, 1);
    if (kept_ > 0) take_prefix(first);
    at::Tensor channels;
    if (shared_ > kept_) channels = read_row(kept_, shared_, first);
    for (const LayerCache& layer : cache.layers) {
      if (!layer.keys.defined()) continue;
      for (const at::Tensor& slots : {layer.keys, layer.values}) {
        at::Tensor filled = slots.narrow(2, 0, shared_);  // [O, KV, P, D]
        int64_t others = filled.size(0) - 1;
        if (others > 0)
          filled.narrow(0, 1, others).copy_(filled.narrow(0, 0, 1).expand_as(filled.narrow(0, 1, others)));
      }
    }
    cache.fill = CacheFill::kSome;
    return channels;
  }

  // Reads what comes after it, padded at the end with ids whose results nobody looks at. [O, T, C]
  at::Tensor read_ends(Cache& cache) {
    at::Tensor tokens = at::zeros({std::ssize(texts_), longest_}, at::kLong);  // [O, T]
    auto token = tokens.accessor<int64_t, 2>();
    for (int64_t i = 0; i < tokens.size(0); ++i) {
      const ScoredText& text = texts_[static_cast<size_t>(i)];
      for (int64_t t = shared_; t < static_cast<int64_t>(read_length(text)); ++t)
        token[i][t - shared_] = text.ids[static_cast<size_t>(t)];
    }
    at::Tensor positions = (at::arange(longest_, at::kLong) + shared_).expand_as(tokens).contiguous();
    return forward(tokens, positions, cache);
  }
};

at::Tensor log_sum_exp_of(const at::Tensor& logits) {
  return fits_simd(logits) ? log_sum_exp(logits) : at::logsumexp(logits, -1);
}

}  // namespace

double TextScore::sum() const {
  return std::accumulate(log_probabilities.begin(), log_probabilities.end(), 0.0);
}

std::vector<TextScore> score_together(Passes& passes, const std::vector<ScoredText>& texts) {
  KeptPrefix nothing;
  return score_together(passes, texts, nothing);
}

std::vector<TextScore> score_together(Passes& passes, const std::vector<ScoredText>& texts,
                                      KeptPrefix& prefix) {
  c10::InferenceMode inference;
  if (texts.empty()) return {};
  check_texts(passes.model(), texts);
  at::Tensor hidden = TextReading(passes, texts, prefix).hidden();  // [N, C]
  std::vector<int64_t> targets;
  for (const ScoredText& text : texts)
    targets.insert(targets.end(), text.ids.begin() + static_cast<int64_t>(text.first), text.ids.end());
  std::vector<double> log_probabilities;
  std::vector<bool> likeliest;
  for (int64_t row = 0; row < hidden.size(0); row += kLogitRows) {
    int64_t count = std::min(kLogitRows, hidden.size(0) - row);
    at::Tensor logits = passes.logits(hidden.narrow(0, row, count).contiguous());  // [count, V]
    at::Tensor target = at::tensor(std::vector<int64_t>(targets.begin() + row, targets.begin() + row + count),
                                   logits.options().dtype(at::kLong));
    at::Tensor scores = (logits.gather(1, target.unsqueeze(1)).squeeze(1).to(at::kDouble) -
                         log_sum_exp_of(logits).to(at::kDouble))
                            .to(at::kCPU);
    at::Tensor best = (logits.argmax(-1) == target).to(at::kCPU);
    for (int64_t i = 0; i < count; ++i) {
      log_probabilities.push_back(scores.const_data_ptr<double>()[i]);
      likeliest.push_back(best.const_data_ptr<bool>()[i]);
    }
  }
  std::vector<TextScore> scores(texts.size());
  size_t at = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    for (size_t n = 0; n < texts[i].measured(); ++n, ++at) {
      scores[i].log_probabilities.push_back(log_probabilities[at]);
      scores[i].greedy = scores[i].greedy && likeliest[at];
    }
  }
  return scores;
}

}  // namespace sextant::trainer
