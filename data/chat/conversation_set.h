#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "data/chat/chat_template.h"
#include "data/chat/object_lines.h"
#include "data/held_out.h"

namespace sextant::data {

// What became of what the files hold.
struct ConversationCounts {
  LineCounts lines;
  int64_t too_long = 0;   // left out
  int64_t shortened = 0;  // lost turns from their front
  // "812 conversations; 3 lines left out (the first: FILE:LINE: ...), 2 too long for 256 tokens left out"
  std::string text(int64_t longest) const;
};

// Conversations as ids, in memory: 5 bytes a token.
class ConversationSet {
 public:
  // Reads all files, in order. `longest` ids a conversation may have. Throws Error(kInput) as the settings
  // say, and when nothing is left.
  ConversationSet(const std::vector<std::filesystem::path>& files, const ChatSettings& settings,
                  const ChatTemplate& chat, int64_t longest);

  int64_t size() const { return static_cast<int64_t>(begins_.size()) - 1; }
  int64_t tokens() const { return static_cast<int64_t>(ids_.size()); }
  // Tokens that the assistant says.
  int64_t said() const;
  std::span<const int32_t> ids(int64_t conversation) const { return part(ids_, conversation); }
  std::span<const uint8_t> said(int64_t conversation) const { return part(said_, conversation); }
  const ConversationCounts& counts() const { return counts_; }
  // Differs when any id or any said would.
  uint64_t fingerprint() const;

 private:
  std::vector<int32_t> ids_;
  std::vector<uint8_t> said_;
  std::vector<int64_t> begins_{0};
  ConversationCounts counts_;

  void add(Conversation conversation, const ChatSettings& settings, const ChatTemplate& chat,
           int64_t longest);
  template <class T>
  std::span<const T> part(const std::vector<T>& all, int64_t conversation) const {
    auto at = static_cast<size_t>(conversation);
    return std::span(all).subspan(static_cast<size_t>(begins_[at]),
                                  static_cast<size_t>(begins_[at + 1] - begins_[at]));
  }
};

// Conversations [first, last) of a split where `fraction` of `size`, from the end, is held out: at least one
// on either side. Throws Error(kInput) for fewer than two.
DocumentRange split_conversations(int64_t size, double fraction, Split split);

}  // namespace sextant::data
