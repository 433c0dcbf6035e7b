#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "data/best_fit.h"
#include "data/chat/comparison_set.h"
#include "data/held_out.h"
#include "data/rows.h"

namespace sextant::data {

// One number for each answer of a set of comparisons: what a model that stays as it is says of it.
class AnswerNumbers {
 public:
  explicit AnswerNumbers(const ComparisonSet& set);

  int64_t index(int64_t comparison, int64_t answer) const {
    return first_[static_cast<size_t>(comparison)] + answer;
  }
  int64_t size() const { return static_cast<int64_t>(numbers_.size()); }
  double operator[](int64_t index) const { return numbers_[static_cast<size_t>(index)]; }
  // All of them, by index. Nobody may read meanwhile.
  void fill(std::span<const double> numbers);

 private:
  std::vector<int64_t> first_;  // of each comparison
  std::vector<double> numbers_;
};

// Columns of a batch of preferences, at the place of each answer's last target.
enum PreferenceColumn : size_t {
  kEndColumn,            // 1
  kPromptColumn,         // number of the comparison inside the row
  kPreferenceColumn,     // rank: smaller is better
  kLeastMarginColumn,    // of the comparison
  kAnswerColumn,         // index of the answer in AnswerNumbers
  kReferenceColumn,      // its number there, rounded to fp32
  kReferenceRestColumn,  // and what rounding left
  kPreferenceColumns,
};

// Comparisons placed whole in rows of T tokens by best_fit(), each answer with its prompt a document of its
// own, as ComparisonRows has them. Here tokens have targets, and the mask is 1 where the target is the
// answer's, its end of turn included.
class PreferenceRows final : public Rows {
 public:
  // `numbers` may be filled later, as long as no row is filled meanwhile.
  PreferenceRows(std::shared_ptr<const ComparisonSet> set, std::shared_ptr<const AnswerNumbers> numbers,
                 DocumentRange comparisons, int64_t context);

  int64_t count() const override { return static_cast<int64_t>(rows_.first.size()) - 1; }
  void fill(int64_t row, const RowSlot& slot) const override;

 private:
  std::shared_ptr<const ComparisonSet> set_;
  std::shared_ptr<const AnswerNumbers> numbers_;
  DocumentRange range_;
  int64_t context_;
  PackedRows rows_;

  void label(const RowSlot& slot, const RankedAnswer& answer, size_t last, int64_t prompt,
             int64_t index) const;
};

}  // namespace sextant::data
