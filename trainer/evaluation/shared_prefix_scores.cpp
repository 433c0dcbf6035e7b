#include "trainer/evaluation/shared_prefix_scores.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "parallel/base/error.h"
#include "trainer/kernels/inference_linear.h"

// T tokens of a row, N of them by which ids are measured, P measured ids, C channels.
namespace sextant::trainer {
namespace {

// Rows of a pass: as many as make the reading of the weights cheap beside the arithmetic.
constexpr int64_t kPassRows = 1024;
// An item of more rows gains nothing from company.
constexpr int64_t kLongRows = 512;

void check_texts(const Transformer& model, const TextsOfItem& texts) {
  expect(!texts.empty(), "an item has a text");
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

// How many rows a pass may have without one's bits depending on another. Experts get as many rows at a time
// as tokens choose them, and three ranks or more add up their parts in an order that place decides.
RowCounts rows_together(const Transformer& model) {
  const parallel::Group* tensor = model.part().tensor;
  if (model.settings().experts().count() > 0 || (tensor != nullptr && tensor->size() > 2)) return {1, 0};
  std::vector<at::Tensor> weights;
  for (const auto& parameter : model.parameters()) {
    if (parameter->value.dim() == 2) weights.push_back(parameter->value);
  }
  RowCounts counts = apart_rows(weights);
  counts.most = std::min(counts.most, kPassRows);
  return counts;
}

std::vector<int32_t> kept_ids(const TextsOfItem& texts) {
  return {texts[0].ids.begin(), texts[0].ids.begin() + kept_length(texts)};
}

int64_t rows_of(const TextsOfItem& texts) {
  TextPacking alone(kept_length(texts));
  alone.add(texts);
  return alone.size();
}

// One row of texts and what the model says of it.
class PackReading {
 public:
  PackReading(Passes& passes, KeptPrefix& prefix, RowCounts counts, PackedRow row)
      : passes_(passes),
        prefix_(prefix),
        counts_(counts),
        device_(passes.model().parameters().device()),
        row_(std::move(row)) {}

  // Of each measured id.
  TargetScores scores(const std::vector<int32_t>& kept) {
    at::Tensor hidden = measured(read(kept));
    TargetScores found = passes_.score(hidden, ids(row_.rows), ids(row_.targets));
    return {found.log_probabilities.to(at::kCPU).contiguous(), found.likeliest.to(at::kCPU).contiguous()};
  }

 private:
  Passes& passes_;
  KeptPrefix& prefix_;
  RowCounts counts_;
  at::Device device_;
  PackedRow row_;

  at::Tensor ids(const std::vector<int64_t>& numbers) const {
    return at::tensor(numbers, at::kLong).to(device_);
  }

  // Rows that nobody looks at, where fewer would go through other kernels.
  void fill_up(std::vector<int64_t>& numbers) const {
    if (std::ssize(numbers) < counts_.least) numbers.resize(static_cast<size_t>(counts_.least), 0);
  }

  at::Tensor forward(const std::vector<int64_t>& tokens, const std::vector<int64_t>& positions,
                     const std::vector<Branch>& branches, Cache& cache) {
    at::Tensor token = ids(tokens).unsqueeze(0), position = ids(positions).unsqueeze(0);  // [1, T]
    return branches.empty() ? passes_.hidden(token, position, cache)
                            : passes_.hidden(token, position, branches, cache);
  }

  // The keys and values of what stands in front of all texts.
  Cache front(const std::vector<int32_t>& kept) {
    if (kept.empty()) return passes_.model().make_cache(1, 0);
    if (prefix_.ids != kept) {
      prefix_.cache = passes_.model().make_cache(1, std::ssize(kept));
      prefix_.ids = kept;
      std::vector<int64_t> positions(kept.size());
      std::iota(positions.begin(), positions.end(), 0);
      forward({kept.begin(), kept.end()}, positions, {}, prefix_.cache);
    }
    return prefix_.cache;
  }

  // The channels of all tokens, [T, C].
  at::Tensor read(const std::vector<int32_t>& kept) {
    bool one_long_text = row_.branches.size() == 1 && std::ssize(row_.tokens) > kLongRows && kept.empty();
    if (one_long_text) {
      Cache cache = passes_.model().make_cache(1, std::ssize(row_.tokens));
      return forward(row_.tokens, row_.positions, {}, cache)[0];
    }
    Cache cache = front(kept);
    std::vector<int64_t> tokens = row_.tokens, positions = row_.positions;
    fill_up(tokens);
    fill_up(positions);
    return forward(tokens, positions, row_.branches, cache)[0];
  }

  // The channels that ids are measured by, [N, C].
  at::Tensor measured(const at::Tensor& hidden) const {
    std::vector<int64_t> places = row_.measured_at;
    fill_up(places);
    return hidden.index_select(0, ids(places));
  }
};

// A text's ids are the next ones, from `at` on.
TextScore score_of(const ScoredText& text, const TargetScores& found, int64_t& at) {
  TextScore score;
  for (int64_t end = at + static_cast<int64_t>(text.measured()); at < end; ++at) {
    score.log_probabilities.push_back(found.log_probabilities.const_data_ptr<double>()[at]);
    score.greedy = score.greedy && found.likeliest.const_data_ptr<bool>()[at];
  }
  return score;
}

}  // namespace

double TextScore::sum() const {
  return std::accumulate(log_probabilities.begin(), log_probabilities.end(), 0.0);
}

std::vector<std::vector<TextScore>> score_items(Passes& passes, const std::vector<TextsOfItem>& items,
                                                KeptPrefix& prefix) {
  c10::InferenceMode inference;
  for (const TextsOfItem& texts : items) check_texts(passes.model(), texts);
  RowCounts counts = rows_together(passes.model());
  std::vector<std::vector<TextScore>> scores(items.size());
  for (size_t first = 0, last = 0; first < items.size(); first = last) {
    std::vector<int32_t> kept = kept_ids(items[first]);
    TextPacking packing(std::ssize(kept));
    int64_t rows = rows_of(items[first]);
    bool alone = rows > kLongRows;
    packing.add(items[first]);
    for (last = first + 1; last < items.size() && !alone; ++last) {
      int64_t more = rows_of(items[last]);
      if (more > kLongRows || rows + more > counts.most || kept_ids(items[last]) != kept) break;
      packing.add(items[last]);
      rows += more;
    }
    TargetScores found = PackReading(passes, prefix, counts, packing.row()).scores(kept);
    int64_t at = 0;
    for (size_t i = first; i < last; ++i) {
      for (const ScoredText& text : items[i]) scores[i].push_back(score_of(text, found, at));
    }
  }
  return scores;
}

}  // namespace sextant::trainer
