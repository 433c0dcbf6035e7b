#include "data/line_pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8  // PCRE2's header picks its functions by this name
#include <fmt/format.h>
#include <pcre2.h>

#include <array>

#include "parallel/base/error.h"

namespace sextant::data {
namespace {

std::string message_of(int code) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(code, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

}  // namespace

struct LinePattern::Compiled {
  std::string pattern;
  std::unique_ptr<pcre2_code, void (*)(pcre2_code*)> code{nullptr, pcre2_code_free};
  std::unique_ptr<pcre2_match_data, void (*)(pcre2_match_data*)> match{nullptr, pcre2_match_data_free};
};

LinePattern::LinePattern(const std::string& pattern) : compiled_(std::make_unique<Compiled>()) {
  int code = 0;
  PCRE2_SIZE offset = 0;
  compiled_->pattern = pattern;
  compiled_->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                      PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF, &code, &offset,
                                      nullptr));
  if (compiled_->code == nullptr) {
    fail_input(
        fmt::format("the pattern '{}' is wrong at character {}: {}", pattern, offset, message_of(code)));
  }
  pcre2_jit_compile(compiled_->code.get(), PCRE2_JIT_COMPLETE);  // where there is no JIT it is only slower
  compiled_->match.reset(pcre2_match_data_create_from_pattern(compiled_->code.get(), nullptr));
}

LinePattern::LinePattern(LinePattern&&) noexcept = default;
LinePattern::~LinePattern() = default;

bool LinePattern::matches(std::string_view line) {
  int result = pcre2_match(compiled_->code.get(), reinterpret_cast<PCRE2_SPTR>(line.data()), line.size(), 0,
                           0, compiled_->match.get(), nullptr);
  if (result < 0 && result != PCRE2_ERROR_NOMATCH) {
    fail_input(fmt::format("the pattern '{}' can not be tried on a line of {} bytes: {}; give a simpler one",
                           compiled_->pattern, line.size(), message_of(result)));
  }
  return result >= 0;
}

}  // namespace sextant::data
