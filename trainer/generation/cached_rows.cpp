#include "trainer/generation/cached_rows.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "parallel/base/error.h"

namespace sextant::trainer {
namespace {

// Texts side by side, padded at the end with a token whose results nobody reads. [B, longest]
at::Tensor pad(const std::vector<const std::vector<int32_t>*>& texts) {
  size_t longest = 0;
  for (const auto* text : texts) longest = std::max(longest, text->size());
  auto rows = static_cast<int64_t>(texts.size());
  at::Tensor tokens = at::zeros({rows, static_cast<int64_t>(longest)}, at::kLong);
  auto access = tokens.accessor<int64_t, 2>();
  for (int64_t row = 0; row < rows; ++row) {
    const auto& text = *texts[static_cast<size_t>(row)];
    for (size_t t = 0; t < text.size(); ++t) access[row][static_cast<int64_t>(t)] = text[t];
  }
  return tokens;
}

}  // namespace

CachedRows::CachedRows(Passes& passes, int64_t rows, int64_t slots)
    : passes_(passes), rows_(rows), cache_(passes.model().make_cache(rows, slots)) {}

// On a CPU a text at a time: nothing is padded, and its numbers do not depend on the other texts. A GPU wants
// them all together.
int64_t CachedRows::reads_for(int64_t texts) const {
  return passes_.model().parameters().device().is_cpu() ? texts : std::min<int64_t>(texts, 1);
}

at::Tensor CachedRows::read(const std::vector<const std::vector<int32_t>*>& texts) {
  expect(static_cast<int64_t>(texts.size()) <= free(), "there is a row for each text");
  if (reads_for(2) == 1) return read_together(texts);
  std::vector<at::Tensor> last;
  last.reserve(texts.size());
  for (const auto* text : texts) last.push_back(read_together({text}));
  return at::cat(last);
}

at::Tensor CachedRows::read_together(const std::vector<const std::vector<int32_t>*>& texts) {
  at::Tensor tokens = pad(texts);
  at::Tensor positions = at::arange(tokens.size(1), at::kLong).unsqueeze(0).expand_as(tokens).contiguous();
  Cache rows = cache_.rows(used(), static_cast<int64_t>(texts.size()));
  rows.fill = CacheFill::kEmpty;
  at::Tensor hidden = forward(tokens, positions, rows);  // [texts, T, C]
  std::vector<at::Tensor> last;
  for (size_t i = 0; i < texts.size(); ++i) {
    auto length = static_cast<int64_t>(texts[i]->size());
    last.push_back(hidden[static_cast<int64_t>(i)].narrow(0, length - 1, 1));
    lengths_.push_back(length);
  }
  return at::cat(last);
}

at::Tensor CachedRows::append(const std::vector<int32_t>& tokens) {
  expect(tokens.size() == lengths_.size(), "each row in use gets a token");
  at::Tensor ids = at::empty({used(), 1}, at::kLong), positions = at::empty({used(), 1}, at::kLong);
  for (size_t row = 0; row < tokens.size(); ++row) {
    ids.data_ptr<int64_t>()[row] = tokens[row];
    positions.data_ptr<int64_t>()[row] = lengths_[row]++;
  }
  Cache rows = cache_.rows(0, used());
  rows.fill = CacheFill::kSome;
  return forward(ids, positions, rows).squeeze(1);
}

void CachedRows::idle() {
  Cache scratch = passes_.model().make_cache(1, 1);
  at::Tensor token = at::zeros({1, 1}, at::kLong);
  forward(token, token, scratch);
}

void CachedRows::release(int64_t row) {
  int64_t last = used() - 1, length = lengths_.back();
  for (const LayerCache& layer : cache_.layers) {
    if (row == last || !layer.keys.defined()) continue;
    for (const at::Tensor& slots : {layer.keys, layer.values})
      slots[row].narrow(1, 0, length).copy_(slots[last].narrow(1, 0, length));  // [KV, length, D]
  }
  lengths_[static_cast<size_t>(row)] = length;
  lengths_.pop_back();
}

at::Tensor CachedRows::forward(const at::Tensor& tokens, const at::Tensor& positions, Cache& cache) {
  auto device = passes_.model().parameters().device();
  return passes_.hidden(tokens.to(device), positions.to(device), cache);
}

}  // namespace sextant::trainer
