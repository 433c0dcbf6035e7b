#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/split_pattern.h"

namespace sextant::data {

// A chain of split patterns: each cuts the pieces of the one before. Threads may share it.
class Splitter {
 public:
  // `origin` names the expressions' place in messages. Without expressions a text is one piece.
  Splitter(const std::vector<std::string>& expressions, const std::string& origin) {
    for (const std::string& expression : expressions) patterns_.emplace_back(expression, origin);
  }

  // One thread's working memory.
  using Matchers = std::vector<SplitPattern::Matcher>;
  Matchers matchers() const { return Matchers(patterns_.size()); }

  // Calls sink(std::string_view) for each piece in order.
  template <class Sink>
  void split(std::string_view text, Matchers& matchers, Sink&& sink) const {
    split_from(0, text, matchers, sink);
  }

 private:
  template <class Sink>
  void split_from(size_t stage, std::string_view text, Matchers& matchers, Sink& sink) const {
    if (text.empty()) return;
    if (stage == patterns_.size()) return sink(text);
    if (stage + 1 == patterns_.size()) return patterns_[stage].split(text, matchers[stage], sink);
    patterns_[stage].split(text, matchers[stage],
                           [&](std::string_view piece) { split_from(stage + 1, piece, matchers, sink); });
  }

  std::vector<SplitPattern> patterns_;
};

}  // namespace sextant::data
