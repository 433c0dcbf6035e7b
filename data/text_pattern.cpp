#include "data/text_pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8  // PCRE2's header picks its functions by this name
#include <fmt/format.h>
#include <pcre2.h>

#include <array>

#include "parallel/base/error.h"

namespace sextant::data {
namespace {

std::string pcre2_message(int code) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(code, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

PCRE2_SPTR bytes_of(std::string_view text) {
  return reinterpret_cast<PCRE2_SPTR>(text.data());
}

}  // namespace

struct TextPattern::Compiled {
  std::string pattern;
  std::unique_ptr<pcre2_code, void (*)(pcre2_code*)> code{nullptr, pcre2_code_free};
  std::unique_ptr<pcre2_match_data, void (*)(pcre2_match_data*)> match{nullptr, pcre2_match_data_free};

  [[noreturn]] void give_up(std::string_view text, int result) const {
    fail_input(fmt::format("the pattern '{}' can not be tried on a text of {} bytes: {}; give a simpler one",
                           pattern, text.size(), pcre2_message(result)));
  }
};

TextPattern::TextPattern(const std::string& pattern) : compiled_(std::make_unique<Compiled>()) {
  int code = 0;
  PCRE2_SIZE offset = 0;
  compiled_->pattern = pattern;
  compiled_->code.reset(pcre2_compile(bytes_of(pattern), pattern.size(),
                                      PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF, &code, &offset,
                                      nullptr));
  if (compiled_->code == nullptr) {
    fail_input(
        fmt::format("the pattern '{}' is wrong at character {}: {}", pattern, offset, pcre2_message(code)));
  }
  pcre2_jit_compile(compiled_->code.get(), PCRE2_JIT_COMPLETE);  // where there is no JIT it is only slower
  compiled_->match.reset(pcre2_match_data_create_from_pattern(compiled_->code.get(), nullptr));
}

TextPattern::TextPattern(TextPattern&&) noexcept = default;
TextPattern& TextPattern::operator=(TextPattern&&) noexcept = default;
TextPattern::~TextPattern() = default;

bool TextPattern::matches(std::string_view text) const {
  int result =
      pcre2_match(compiled_->code.get(), bytes_of(text), text.size(), 0, 0, compiled_->match.get(), nullptr);
  if (result < 0 && result != PCRE2_ERROR_NOMATCH) compiled_->give_up(text, result);
  return result >= 0;
}

std::string TextPattern::replace(const std::string& text, const std::string& replacement) const {
  uint32_t options = PCRE2_SUBSTITUTE_GLOBAL | PCRE2_SUBSTITUTE_LITERAL | PCRE2_SUBSTITUTE_OVERFLOW_LENGTH;
  std::string out(text.size() + replacement.size() + 64, '\0');
  for (;;) {
    PCRE2_SIZE length = out.size();
    int result = pcre2_substitute(compiled_->code.get(), bytes_of(text), text.size(), 0, options,
                                  compiled_->match.get(), nullptr, bytes_of(replacement), replacement.size(),
                                  reinterpret_cast<PCRE2_UCHAR*>(out.data()), &length);
    if (result != PCRE2_ERROR_NOMEMORY) {
      if (result < 0) compiled_->give_up(text, result);
      out.resize(length);
      return out;
    }
    out.resize(length);  // what it needs, the ending zero included
  }
}

std::optional<std::string> TextPattern::find(const std::string& text, Pick pick) const {
  std::optional<std::string> found;
  for (PCRE2_SIZE from = 0; from <= text.size();) {
    int groups = pcre2_match(compiled_->code.get(), bytes_of(text), text.size(), from, 0,
                             compiled_->match.get(), nullptr);
    if (groups == PCRE2_ERROR_NOMATCH) break;
    if (groups < 0) compiled_->give_up(text, groups);
    const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(compiled_->match.get());
    found = text.substr(ends[0], ends[1] - ends[0]);
    for (ptrdiff_t group = 1; group < groups; ++group) {
      const PCRE2_SIZE* part = ends + 2 * group;
      if (part[0] == PCRE2_UNSET || part[1] == part[0]) continue;
      found = text.substr(part[0], part[1] - part[0]);
      break;
    }
    if (pick == Pick::kFirst) break;
    from = ends[1] > ends[0] ? ends[1] : ends[1] + 1;
  }
  return found;
}

}  // namespace sextant::data
