#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace sextant::data {

// A regular expression (PCRE2, Unicode) that lines are tried against. Move-only; one thread at a time.
class LinePattern {
 public:
  // Throws Error(kInput) with the place in the pattern where it is wrong.
  explicit LinePattern(const std::string& pattern);
  LinePattern(LinePattern&&) noexcept;
  ~LinePattern();

  // True when the pattern is found anywhere in the line; bytes that are no UTF-8 match nothing.
  bool matches(std::string_view line);

 private:
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
};

}  // namespace sextant::data
