#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace sextant::data {

// A regular expression (PCRE2, Unicode) that texts are searched with and changed by. Move-only; one thread at
// a time. Bytes that are no UTF-8 match nothing.
class TextPattern {
 public:
  enum class Pick { kFirst, kLast };

  // Throws Error(kInput) with the place in the pattern where it is wrong.
  explicit TextPattern(const std::string& pattern);
  TextPattern(TextPattern&&) noexcept;
  TextPattern& operator=(TextPattern&&) noexcept;
  ~TextPattern();

  // True when the pattern is found anywhere in the text. Throws Error(kInput) when the expression gives up.
  bool matches(std::string_view text) const;
  // Every match replaced by `replacement`, as it stands. Throws Error(kInput) when the expression gives up.
  std::string replace(const std::string& text, const std::string& replacement) const;
  // Of the first or last match, the first group that took part and is not empty, else all of it.
  std::optional<std::string> find(const std::string& text, Pick pick) const;

 private:
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
};

}  // namespace sextant::data
