#include "data/chat/conversation_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "data/chat/conversations.h"
#include "parallel/base/error.h"
#include "parallel/base/seed.h"

namespace sextant::data {
namespace {

// Takes the first turn away: the first message that is not the system's, and what follows up to the user's
// next. False where no other is left.
bool drop_first_turn(Conversation& conversation) {
  auto first = conversation.begin() + (conversation[0].role == Role::kSystem ? 1 : 0);
  if (first == conversation.end()) return false;
  auto next =
      std::find_if(first + 1, conversation.end(), [](const Message& m) { return m.role == Role::kUser; });
  if (next == conversation.end()) return false;
  conversation.erase(first, next);
  return true;
}

template <class T>
std::string_view bytes_of(const std::vector<T>& all) {
  return {reinterpret_cast<const char*>(all.data()), all.size() * sizeof(T)};
}

}  // namespace

std::string ConversationCounts::text(int64_t longest) const {
  std::string text = fmt::format("{} conversations", lines.taken - too_long);
  if (lines.left_out > 0)
    text += fmt::format("; {} lines left out (the first: {})", lines.left_out, lines.first_fault);
  if (too_long > 0) text += fmt::format("; {} left out, longer than {} tokens", too_long, longest);
  if (shortened > 0) text += fmt::format("; {} lost turns from their front to fit", shortened);
  return text;
}

ConversationSet::ConversationSet(const std::vector<std::filesystem::path>& files,
                                 const ChatSettings& settings, const ChatTemplate& chat, int64_t longest) {
  for (const auto& file : files) {
    counts_.lines += read_conversations(file, settings.on_bad_line(), [&](Conversation conversation) {
      add(std::move(conversation), settings, chat, longest);
    });
  }
  if (size() > 0) return;
  std::string names;
  for (const auto& file : files) names += (names.empty() ? "" : ", ") + file.string();
  fail_input(fmt::format("{}: nothing to learn from: {}", names, counts_.text(longest)));
}

void ConversationSet::add(Conversation conversation, const ChatSettings& settings, const ChatTemplate& chat,
                          int64_t longest) {
  ChatTokens tokens = chat.render(conversation);
  bool fits = static_cast<int64_t>(tokens.ids.size()) <= longest;
  if (!fits && settings.on_too_long() == ChatSettings::refuse_conversation) {
    throw RefusedLine(
        fmt::format("the conversation has {} tokens, more than the {} of a row; raise model.context, or set "
                    "chat.on_too_long",
                    tokens.ids.size(), longest));
  }
  if (!fits && settings.on_too_long() == ChatSettings::drop_turns) {
    while (!fits && drop_first_turn(conversation)) {
      tokens = chat.render(conversation);
      fits = static_cast<int64_t>(tokens.ids.size()) <= longest;
    }
    if (fits) ++counts_.shortened;
  }
  if (!fits) {
    ++counts_.too_long;
    return;
  }
  ids_.insert(ids_.end(), tokens.ids.begin(), tokens.ids.end());
  said_.insert(said_.end(), tokens.said.begin(), tokens.said.end());
  begins_.push_back(static_cast<int64_t>(ids_.size()));
}

int64_t ConversationSet::said() const {
  return std::count(said_.begin(), said_.end(), uint8_t{1});
}

uint64_t ConversationSet::fingerprint() const {
  return stable_hash(bytes_of(begins_), stable_hash(bytes_of(said_), stable_hash(bytes_of(ids_))));
}

DocumentRange split_conversations(int64_t size, double fraction, Split split) {
  if (size < 2)
    fail_input(fmt::format("{} conversations can not be split into training and held-out ones", size));
  auto held_out = static_cast<int64_t>(std::llround(fraction * static_cast<double>(size)));
  int64_t middle = size - std::clamp<int64_t>(held_out, 1, size - 1);
  return split == Split::kTrain ? DocumentRange{0, middle} : DocumentRange{middle, size};
}

}  // namespace sextant::data
