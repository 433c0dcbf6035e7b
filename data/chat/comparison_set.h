#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/best_fit.h"
#include "data/chat/chat_template.h"
#include "data/chat/comparisons.h"
#include "data/chat/conversation_set.h"
#include "data/held_out.h"
#include "data/rows.h"

namespace sextant::data {

// A prompt with one answer, as ids, and what is known of the answer.
struct RankedAnswer {
  std::vector<int32_t> ids;
  float rank = 0;    // smaller is better
  float margin = 0;  // of its comparison
  int32_t said = 0;  // how many of the ids, from the end, are the answer
};

// Comparisons as ids, in memory. One that does not fit a row with all of its answers is left out and counted,
// or refused, as ChatSettings::on_too_long says; turns are not dropped.
class ComparisonSet {
 public:
  // Reads comparisons. `longest`: ids that all answers of a comparison, each with the prompt, may have
  // together. Throws Error(kInput) as the settings say, and when nothing is left.
  static ComparisonSet of_comparisons(const std::vector<std::filesystem::path>& files,
                                      const ChatSettings& settings, const ChatTemplate& chat,
                                      int64_t longest);
  // Reads conversations, each as a comparison of one answer: its last message.
  static ComparisonSet of_conversations(const std::vector<std::filesystem::path>& files,
                                        const ChatSettings& settings, const ChatTemplate& chat,
                                        int64_t longest);
  // The best answer of each comparison in a range, alone.
  ComparisonSet best(DocumentRange range) const;

  int64_t size() const { return static_cast<int64_t>(groups_.size()); }
  const std::vector<RankedAnswer>& answers(int64_t comparison) const {
    return groups_[static_cast<size_t>(comparison)];
  }
  const ConversationCounts& counts() const { return counts_; }
  uint64_t fingerprint() const;

 private:
  std::vector<std::vector<RankedAnswer>> groups_;
  ConversationCounts counts_;

  void add(const Comparison& comparison, const ChatSettings& settings, const ChatTemplate& chat,
           int64_t longest);
  void check_not_empty(const std::vector<std::filesystem::path>& files, int64_t longest) const;
};

// Columns of a batch of comparisons, at the last token of each answer (where the loss mask is 1).
enum ComparisonColumn : size_t {
  kGroupColumn,   // number of the comparison inside the row
  kRankColumn,    // smaller is better
  kMarginColumn,  // of the comparison
  kComparisonColumns,
};

// Comparisons placed whole in rows of T tokens by best_fit(), each answer with its prompt a document of its
// own. The mask is 1 at the last token of each answer, whose score is the answer's; there are no targets.
class ComparisonRows final : public Rows {
 public:
  ComparisonRows(std::shared_ptr<const ComparisonSet> set, DocumentRange comparisons, int64_t context);

  int64_t count() const override { return static_cast<int64_t>(rows_.first.size()) - 1; }
  void fill(int64_t row, const RowSlot& slot) const override;

 private:
  std::shared_ptr<const ComparisonSet> set_;
  DocumentRange range_;
  int64_t context_;
  PackedRows rows_;
};

}  // namespace sextant::data
