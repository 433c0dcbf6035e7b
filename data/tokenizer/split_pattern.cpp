#include "data/tokenizer/split_pattern.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>

#include "data/tokenizer/regex_dialect.h"
#include "parallel/base/error.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace sextant::data {
namespace {

using HandKind = HandSplit::Kind;

struct Known {
  std::string_view name;  // empty: only recognised
  std::string_view regex;
  HandKind kind;
};

constexpr std::string_view kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
// In the words of the older spelling, for tiktoken's own means something else to Oniguruma ({1,3}+).
constexpr std::string_view kCl100k =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s++$|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kO200k =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kTiktokenR50k =
    R"('(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s)";

// The first name of an expression is the one to show.
constexpr std::array kKnown = {
    Known{"gpt2", kGpt2, HandKind::kGpt2},       Known{"r50k", kGpt2, HandKind::kGpt2},
    Known{"p50k", kGpt2, HandKind::kGpt2},       Known{"cl100k", kCl100k, HandKind::kCl100k},
    Known{"llama3", kLlama3, HandKind::kLlama3}, Known{"qwen2", kQwen2, HandKind::kQwen2},
    Known{"o200k", kO200k, HandKind::kO200k},    Known{"", kTiktokenR50k, HandKind::kGpt2},
    Known{"", R"(\p{N})", HandKind::kDigits}};

constexpr size_t kLongestExpression = 1 << 16;
constexpr uint32_t kMatchLimit = 100'000'000;
constexpr size_t kJitStackBytes = 1 << 20;

std::optional<HandSplit> by_hand(std::string_view regex) {
  for (const Known& known : kKnown) {
    if (known.regex == regex) return HandSplit(known.kind);
  }
  return std::nullopt;
}

std::string pcre2_message(int code) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(code, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

}  // namespace

void SplitPattern::Matcher::Free::operator()(pcre2_match_data* data) const {
  pcre2_match_data_free(data);
}
void SplitPattern::Matcher::Free::operator()(pcre2_match_context* context) const {
  pcre2_match_context_free(context);
}
void SplitPattern::Matcher::Free::operator()(pcre2_jit_stack* stack) const {
  pcre2_jit_stack_free(stack);
}

SplitPattern::Matcher::Matcher()
    : data_(pcre2_match_data_create(1, nullptr)),
      stack_(pcre2_jit_stack_create(32 << 10, kJitStackBytes, nullptr)),
      context_(pcre2_match_context_create(nullptr)) {
  if (!data_ || !context_) throw std::bad_alloc();
  pcre2_set_match_limit(context_.get(), kMatchLimit);
  if (stack_) pcre2_jit_stack_assign(context_.get(), nullptr, stack_.get());
}

SplitPattern SplitPattern::named(std::string_view name) {
  for (const Known& known : kKnown) {
    if (!name.empty() && known.name == name) return {known.regex, fmt::format("split pattern {}", name)};
  }
  fail_input(fmt::format("there is no split pattern '{}'; choose one of {}", name, fmt::join(names(), ", ")));
}

std::vector<std::string_view> SplitPattern::names() {
  std::vector<std::string_view> names;
  for (const Known& known : kKnown) {
    if (!known.name.empty()) names.push_back(known.name);
  }
  return names;
}

SplitPattern::SplitPattern(std::string_view regex, const std::string& origin)
    : regex_(regex), origin_(origin), hand_(by_hand(regex)) {
  if (regex.size() > kLongestExpression) {
    fail_input(fmt::format("{}: the expression has {} bytes; at most {} are accepted", origin, regex.size(),
                           kLongestExpression));
  }
  std::string dialect = in_pcre2_dialect(regex);
  int error = 0;
  size_t place = 0;
  // Oniguruma, which Hugging Face compiles these with, lets ^ and $ match at every line.
  uint32_t options =
      PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
  std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)> context(
      pcre2_compile_context_create(nullptr), &pcre2_compile_context_free);
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(dialect.data()), dialect.size(), options,
                                   &error, &place, context.get());
  if (code == nullptr) {
    fail_input(fmt::format("{}: the regular expression does not compile: {} (near character {} of '{:.200}')",
                           origin, pcre2_message(error), place, dialect));
  }
  code_.reset(code, pcre2_code_free);
  // Without permission for executable memory the interpreter does the same work, slower.
  jit_ = pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) == 0;
}

SplitPattern SplitPattern::without_hand() const {
  SplitPattern copy = *this;
  copy.hand_.reset();
  return copy;
}

SplitPattern::Match SplitPattern::find(std::string_view text, size_t from, Matcher& matcher) const {
  if (from >= text.size()) return {text.size(), text.size()};
  auto* match = jit_ && matcher.stack_ ? pcre2_jit_match : pcre2_match;
  int found = match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from, 0,
                    matcher.data_.get(), matcher.context_.get());
  if (found == PCRE2_ERROR_NOMATCH) return {text.size(), text.size()};
  if (found < 0) {
    fail_input(
        fmt::format("{}: matching gave up at byte {} of a text of {} bytes: {}; the expression backtracks "
                    "too much, simplify it",
                    origin_, from, text.size(), pcre2_message(found)));
  }
  const size_t* range = pcre2_get_ovector_pointer(matcher.data_.get());
  if (range[0] < from || range[1] < range[0]) {
    fail_input(
        fmt::format("{}: the expression moves the start of its match backwards (\\K); remove that", origin_));
  }
  return {range[0], range[1]};
}

size_t SplitPattern::character_end(std::string_view text, size_t at) {
  if (at < text.size()) ++at;
  while (at < text.size() && (static_cast<uint8_t>(text[at]) & 0xc0) == 0x80) ++at;
  return at;
}

}  // namespace sextant::data
