#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/hand_split.h"

// PCRE2's types, so that users of this header do not parse its own.
struct pcre2_real_code_8;
struct pcre2_real_match_data_8;
struct pcre2_real_match_context_8;
struct pcre2_real_jit_stack_8;

namespace sextant::data {

// A regular expression that cuts text into the pieces within which BPE merges. What it does not match (gaps,
// bytes that are not UTF-8) becomes pieces as well, so that the pieces joined are the text. Threads may share
// a pattern; each brings a Matcher of its own.
class SplitPattern {
 public:
  // One of names(): the patterns of OpenAI's and Meta's tokenizers. Throws Error(kInput) listing the names.
  static SplitPattern named(std::string_view name);
  static std::vector<std::string_view> names();
  // A regular expression as tokenizer.json holds it. `origin` names its place in messages.
  SplitPattern(std::string_view regex, const std::string& origin);

  // As written in tokenizer.json.
  const std::string& regex() const { return regex_; }

  // The working memory of one thread.
  class Matcher {
   public:
    Matcher();

   private:
    friend class SplitPattern;
    struct Free {
      void operator()(pcre2_real_match_data_8* data) const;
      void operator()(pcre2_real_match_context_8* context) const;
      void operator()(pcre2_real_jit_stack_8* stack) const;
    };
    std::unique_ptr<pcre2_real_match_data_8, Free> data_;
    std::unique_ptr<pcre2_real_jit_stack_8, Free> stack_;
    std::unique_ptr<pcre2_real_match_context_8, Free> context_;
  };

  // Calls sink(std::string_view) for each piece in order; no piece is empty. Throws Error(kInput) when the
  // expression gives up (it backtracks too much).
  template <class Sink>
  void split(std::string_view text, Matcher& matcher, Sink&& sink) const {
    if (hand_) {
      std::array<size_t, 32> ends;
      for (size_t at = 0; at < text.size();) {
        for (size_t end : std::span(ends).first(hand_->piece_ends(text, at, ends))) {
          sink(text.substr(at, end - at));
          at = end;
        }
      }
      return;
    }
    size_t done = 0;  // everything before went to the sink
    size_t from = 0;  // where to search: behind `done` after an empty match
    while (done < text.size()) {
      Match match = find(text, from, matcher);
      if (match.begin > done) sink(text.substr(done, match.begin - done));
      if (match.end > match.begin) sink(text.substr(match.begin, match.end - match.begin));
      done = match.end;
      from = match.end > match.begin ? match.end : character_end(text, match.end);
    }
  }

  // Splits with the regular expression even where it is one that HandSplit knows, for testing that.
  SplitPattern without_hand() const;

 private:
  struct Match {
    size_t begin, end;
  };
  // The next match from `from` on; {size, size} when there is none.
  Match find(std::string_view text, size_t from, Matcher& matcher) const;
  static size_t character_end(std::string_view text, size_t at);

  std::string regex_, origin_;
  std::shared_ptr<const pcre2_real_code_8> code_;
  bool jit_ = false;
  std::optional<HandSplit> hand_;
};

}  // namespace sextant::data
