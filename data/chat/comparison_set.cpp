#include "data/chat/comparison_set.h"

#include <fmt/format.h>

#include <algorithm>

#include "data/chat/conversations.h"
#include "parallel/base/seed.h"

namespace sextant::data {
namespace {

int64_t ids_of(const std::vector<RankedAnswer>& answers) {
  int64_t sum = 0;
  for (const RankedAnswer& answer : answers) sum += static_cast<int64_t>(answer.ids.size());
  return sum;
}

template <class T>
std::string_view bytes_of_numbers(const T* numbers, size_t count) {
  return {reinterpret_cast<const char*>(numbers), count * sizeof(T)};
}

}  // namespace

ComparisonSet ComparisonSet::of_comparisons(const std::vector<std::filesystem::path>& files,
                                            const ChatSettings& settings, const ChatTemplate& chat,
                                            int64_t longest) {
  ComparisonSet set;
  for (const auto& file : files) {
    set.counts_.lines += read_comparisons(file, settings.on_bad_line(), [&](const Comparison& comparison) {
      set.add(comparison, settings, chat, longest);
    });
  }
  set.check_not_empty(files, longest);
  return set;
}

ComparisonSet ComparisonSet::of_conversations(const std::vector<std::filesystem::path>& files,
                                              const ChatSettings& settings, const ChatTemplate& chat,
                                              int64_t longest) {
  ComparisonSet set;
  for (const auto& file : files) {
    set.counts_.lines += read_conversations(file, settings.on_bad_line(), [&](Conversation conversation) {
      Comparison one;
      one.answers = {{conversation.back().content, 0}};
      conversation.pop_back();
      one.prompt = std::move(conversation);
      set.add(one, settings, chat, longest);
    });
  }
  set.check_not_empty(files, longest);
  return set;
}

void ComparisonSet::add(const Comparison& comparison, const ChatSettings& settings, const ChatTemplate& chat,
                        int64_t longest) {
  const std::vector<int32_t> prompt = chat.prompt(comparison.prompt);
  std::vector<RankedAnswer> answers;
  for (const Answer& answer : comparison.answers) {
    RankedAnswer ranked{prompt, static_cast<float>(answer.rank), static_cast<float>(comparison.margin), 0};
    std::vector<int32_t> ids = chat.answer(answer.text);
    ranked.said = static_cast<int32_t>(ids.size());
    ranked.ids.insert(ranked.ids.end(), ids.begin(), ids.end());
    answers.push_back(std::move(ranked));
  }
  int64_t ids = ids_of(answers);
  if (ids <= longest) return groups_.push_back(std::move(answers));
  if (settings.on_too_long() == ChatSettings::refuse_conversation) {
    throw RefusedLine(
        fmt::format("the prompt with its {} answers has {} tokens, more than the {} of a row; raise "
                    "model.context, or set "
                    "chat.on_too_long",
                    answers.size(), ids, longest));
  }
  ++counts_.too_long;
}

void ComparisonSet::check_not_empty(const std::vector<std::filesystem::path>& files, int64_t longest) const {
  if (size() > 0) return;
  std::string names;
  for (const auto& file : files) names += (names.empty() ? "" : ", ") + file.string();
  fail_input(fmt::format("{}: nothing to compare: {}", names, counts_.text(longest)));
}

ComparisonSet ComparisonSet::best(DocumentRange range) const {
  ComparisonSet set;
  auto better = [](const RankedAnswer& a, const RankedAnswer& b) { return a.rank < b.rank; };
  for (int64_t i = range.first; i < range.last; ++i)
    set.groups_.push_back({*std::min_element(answers(i).begin(), answers(i).end(), better)});
  return set;
}

uint64_t ComparisonSet::fingerprint() const {
  uint64_t hash = stable_hash("comparisons 1");
  for (const auto& group : groups_) {
    for (const RankedAnswer& answer : group) {
      const float labels[] = {answer.rank, answer.margin, static_cast<float>(group.size())};
      hash = stable_hash(bytes_of_numbers(labels, std::size(labels)), hash);
      hash = stable_hash(bytes_of_numbers(answer.ids.data(), answer.ids.size()), hash);
    }
  }
  return hash;
}

ComparisonRows::ComparisonRows(std::shared_ptr<const ComparisonSet> set, DocumentRange comparisons,
                               int64_t context)
    : set_(std::move(set)), range_(comparisons), context_(context) {
  std::vector<int32_t> lengths;
  for (int64_t i = range_.first; i < range_.last; ++i)
    lengths.push_back(static_cast<int32_t>(ids_of(set_->answers(i))));
  rows_ = best_fit(lengths, context);
}

void ComparisonRows::fill(int64_t row, const RowSlot& slot) const {
  expect(slot.columns.size() == kComparisonColumns, "a batch of comparisons has their columns");
  std::fill(slot.tokens.begin(), slot.tokens.end(), 0);
  std::fill(slot.targets.begin(), slot.targets.end(), 0);
  std::fill(slot.loss_mask.begin(), slot.loss_mask.end(), 0.0f);
  std::vector<int64_t> begins;
  int64_t used = 0, first = rows_.first[static_cast<size_t>(row)];
  for (int64_t at = first; at < rows_.first[static_cast<size_t>(row) + 1]; ++at) {
    for (const RankedAnswer& answer : set_->answers(range_.first + rows_.pieces[static_cast<size_t>(at)])) {
      std::copy(answer.ids.begin(), answer.ids.end(), slot.tokens.begin() + used);
      begins.push_back(used);
      used += static_cast<int64_t>(answer.ids.size());
      auto last = static_cast<size_t>(used - 1);
      slot.columns[kGroupColumn][last] = static_cast<float>(at - first);
      slot.columns[kRankColumn][last] = answer.rank;
      slot.columns[kMarginColumn][last] = answer.margin;
    }
  }
  if (used < context_) begins.push_back(used);  // padding
  lay_out(slot, begins, Boundaries::kReset);
  for (int64_t begin : begins) {
    if (begin > 0) slot.loss_mask[static_cast<size_t>(begin - 1)] = 1;
  }
  if (used == context_) slot.loss_mask.back() = 1;
}

}  // namespace sextant::data
