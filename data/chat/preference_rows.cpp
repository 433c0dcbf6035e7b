#include "data/chat/preference_rows.h"

#include <algorithm>

#include "parallel/base/error.h"

namespace sextant::data {
namespace {

constexpr int64_t kMostToCompare = int64_t{1} << 24;  // whose indices fp32 can tell apart

int32_t ids_together(const std::vector<RankedAnswer>& answers) {
  size_t sum = 0;
  for (const RankedAnswer& answer : answers) sum += answer.ids.size();
  return static_cast<int32_t>(sum);
}

}  // namespace

AnswerNumbers::AnswerNumbers(const ComparisonSet& set) {
  int64_t count = 0;
  for (int64_t i = 0; i < set.size(); ++i) {
    first_.push_back(count);
    count += static_cast<int64_t>(set.answers(i).size());
  }
  require(count < kMostToCompare, "more than 16 million answers to compare; train on fewer at a time");
  numbers_.resize(static_cast<size_t>(count));
}

void AnswerNumbers::fill(std::span<const double> numbers) {
  expect(numbers.size() == numbers_.size(), "every answer has a number");
  std::copy(numbers.begin(), numbers.end(), numbers_.begin());
}

PreferenceRows::PreferenceRows(std::shared_ptr<const ComparisonSet> set,
                               std::shared_ptr<const AnswerNumbers> numbers, DocumentRange comparisons,
                               int64_t context)
    : set_(std::move(set)), numbers_(std::move(numbers)), range_(comparisons), context_(context) {
  std::vector<int32_t> lengths;
  for (int64_t i = range_.first; i < range_.last; ++i) lengths.push_back(ids_together(set_->answers(i)));
  rows_ = best_fit(lengths, context);
}

void PreferenceRows::label(const RowSlot& slot, const RankedAnswer& answer, size_t last, int64_t prompt,
                           int64_t index) const {
  double number = (*numbers_)[index];
  auto rounded = static_cast<float>(number);
  slot.columns[kEndColumn][last] = 1;
  slot.columns[kPromptColumn][last] = static_cast<float>(prompt);
  slot.columns[kPreferenceColumn][last] = answer.rank;
  slot.columns[kLeastMarginColumn][last] = answer.margin;
  slot.columns[kAnswerColumn][last] = static_cast<float>(index);
  slot.columns[kReferenceColumn][last] = rounded;
  slot.columns[kReferenceRestColumn][last] = static_cast<float>(number - static_cast<double>(rounded));
}

void PreferenceRows::fill(int64_t row, const RowSlot& slot) const {
  expect(slot.columns.size() == kPreferenceColumns, "a batch of preferences has their columns");
  std::fill(slot.tokens.begin(), slot.tokens.end(), 0);
  std::fill(slot.targets.begin(), slot.targets.end(), 0);
  std::vector<int64_t> begins;
  std::vector<float> mask(slot.loss_mask.size());
  int64_t used = 0, first = rows_.first[static_cast<size_t>(row)];
  for (int64_t at = first; at < rows_.first[static_cast<size_t>(row) + 1]; ++at) {
    int64_t comparison = range_.first + rows_.pieces[static_cast<size_t>(at)];
    int64_t number = 0;
    for (const RankedAnswer& answer : set_->answers(comparison)) {
      begins.push_back(used);
      std::copy(answer.ids.begin(), answer.ids.end(), slot.tokens.begin() + used);
      std::copy(answer.ids.begin() + 1, answer.ids.end(), slot.targets.begin() + used);
      used += static_cast<int64_t>(answer.ids.size());
      auto end = mask.begin() + used - 1;  // behind the place of the last target
      std::fill(end - answer.said, end, 1.0f);
      label(slot, answer, static_cast<size_t>(used - 2), at - first, numbers_->index(comparison, number++));
    }
  }
  if (used < context_) begins.push_back(used);  // padding
  lay_out(slot, begins, Boundaries::kReset);
  std::copy(mask.begin(), mask.end(), slot.loss_mask.begin());
}

}  // namespace sextant::data
