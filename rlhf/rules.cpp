#include "rlhf/rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "data/text_pattern.h"
#include "data/tokenizer/utf8.h"
#include "parallel/base/error.h"

namespace sextant::rlhf {
namespace {

bool is_space(char c) {
  return std::isspace(static_cast<unsigned char>(c)) != 0;
}

int64_t words_of(const std::string& text) {
  int64_t words = 0;
  bool inside = false;
  for (char c : text) {
    if (!is_space(c) && !inside) ++words;
    inside = !is_space(c);
  }
  return words;
}

// Bytes that are no UTF-8 count for one character each.
int64_t characters_of(const std::string& text) {
  int64_t characters = 0;
  for (size_t at = 0; at < text.size(); ++characters)
    at += std::max<size_t>(1, data::utf8_character(text, at).length);
  return characters;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); });
  return text;
}

std::string trimmed(const std::string& text) {
  auto begin = std::find_if_not(text.begin(), text.end(), is_space);
  auto end = std::find_if_not(text.rbegin(), std::make_reverse_iterator(begin), is_space).base();
  return {begin, end};
}

}  // namespace

struct RuleTest::Pattern {
  data::TextPattern pattern;
};

RuleTest::RuleTest(const Rule& rule) : rule_(rule) {
  switch (rule.kind()) {
    case Rule::regex:
      require(rule.has_pattern(), fmt::format("rule {}: kind regex needs a pattern", rule.name()));
      pattern_ = std::make_unique<Pattern>(Pattern{data::TextPattern(rule.pattern())});
      break;
    case Rule::phrase:
      require(rule.phrases_size() > 0, fmt::format("rule {}: kind phrase needs phrases", rule.name()));
      break;
    case Rule::words:
    case Rule::characters:
      require(rule.least() <= rule.most(),
              fmt::format("rule {}: least={} is above most={}", rule.name(), rule.least(), rule.most()));
      break;
    case Rule::exact:
    case Rule::ended:
      break;
  }
}

RuleTest::RuleTest(RuleTest&&) noexcept = default;
RuleTest::~RuleTest() = default;

double RuleTest::operator()(const Episode& episode) const {
  return holds(episode) ? rule_.reward() : rule_.otherwise();
}

bool RuleTest::holds(const Episode& episode) const {
  const std::string& text = episode.response_text();
  auto inside = [&](int64_t size) { return size >= rule_.least() && size <= rule_.most(); };
  switch (rule_.kind()) {
    case Rule::regex:
      return pattern_->pattern.matches(text);
    case Rule::words:
      return inside(words_of(text));
    case Rule::characters:
      return inside(characters_of(text));
    case Rule::phrase:
      return std::any_of(rule_.phrases().begin(), rule_.phrases().end(), [&](const std::string& phrase) {
        return lower(text).find(lower(phrase)) != std::string::npos;
      });
    case Rule::exact:
      return trimmed(text) == trimmed(episode.answer());
    case Rule::ended:
      return episode.ended();
  }
  return false;
}

}  // namespace sextant::rlhf
