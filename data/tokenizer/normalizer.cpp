#include "data/tokenizer/normalizer.h"

#include <fmt/format.h>
#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "data/tokenizer/utf8.h"
#include "parallel/base/error.h"

namespace sextant::data {
namespace {

using Kind = NormalizerStep::Kind;

constexpr size_t kMostIcuBytes = size_t{1} << 30;  // ICU counts in int32

bool all_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<uint8_t>(c) < 0x80; });
}

// ICU's tables of one normal form; ICU owns them.
const icu::Normalizer2& normal_form(Kind kind) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* form = kind == Kind::kNfc    ? icu::Normalizer2::getNFCInstance(status)
                                 : kind == Kind::kNfd  ? icu::Normalizer2::getNFDInstance(status)
                                 : kind == Kind::kNfkc ? icu::Normalizer2::getNFKCInstance(status)
                                                       : icu::Normalizer2::getNFKDInstance(status);
  if (U_FAILURE(status) != 0) {
    fail_environment(
        fmt::format("ICU can not give its Unicode tables: {}; is libicu whole?", u_errorName(status)));
  }
  return *form;
}

icu::StringPiece piece(std::string_view text) {
  return {text.data(), static_cast<int32_t>(text.size())};
}

// One stretch of UTF-8.
void append_normalized(const icu::Normalizer2& form, std::string_view text, std::string& out) {
  UErrorCode status = U_ZERO_ERROR;
  icu::StringByteSink<std::string> sink(&out);
  form.normalizeUTF8(0, piece(text), sink, nullptr, status);
  if (U_FAILURE(status) != 0) {
    fail_environment(fmt::format("normalising {} bytes of text: {}", text.size(), u_errorName(status)));
  }
}

// Calls valid(stretch) and broken(bytes) in turn.
template <class Valid, class Broken>
void each_stretch(std::string_view text, Valid valid, Broken broken) {
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    uint32_t length = 0;
    while (end < text.size() && end - at < kMostIcuBytes && (length = utf8_character(text, end).length) > 0) {
      end += length;
    }
    if (end > at) valid(text.substr(at, end - at));
    at = end;
    while (end < text.size() && utf8_character(text, end).length == 0) ++end;
    if (end > at) broken(text.substr(at, end - at));
    at = end;
  }
}

std::string to_utf8(uint32_t code) {
  std::string text;
  icu::UnicodeString(static_cast<UChar32>(code)).toUTF8String(text);
  return text;
}

}  // namespace

class Normalizer::Step {
 public:
  explicit Step(const NormalizerStep& step) : step_(step) {
    if (step.kind <= Kind::kNfkd) form_ = &normal_form(step.kind);
  }

  // Nothing where the text stays as it is.
  std::optional<std::string> apply(std::string_view text) const {
    if (form_ != nullptr) return normalized(text);
    if (step_.kind == Kind::kLowercase) return lowercased(text);
    if (step_.kind == Kind::kPrepend) {
      if (text.empty()) return std::nullopt;
      return std::string(step_.to).append(text);
    }
    return replaced(text);
  }

 private:
  std::optional<std::string> normalized(std::string_view text) const {
    if (all_ascii(text)) return std::nullopt;
    bool changes = false;
    auto look = [&](std::string_view stretch) {
      UErrorCode status = U_ZERO_ERROR;
      changes = changes || form_->isNormalizedUTF8(piece(stretch), status) == 0 || U_FAILURE(status) != 0;
    };
    each_stretch(text, look, [](std::string_view) {});
    if (!changes) return std::nullopt;
    std::string out;
    out.reserve(text.size());
    each_stretch(
        text, [&](std::string_view stretch) { append_normalized(*form_, stretch, out); },
        [&](std::string_view bytes) { out += bytes; });
    return out;
  }

  // Character by character, whatever stands beside it: a capital sigma always becomes the inner small one.
  static std::optional<std::string> lowercased(std::string_view text) {
    std::string out;
    for (size_t at = 0; at < text.size();) {
      Utf8Character character = utf8_character(text, at);
      auto code = static_cast<UChar32>(character.code);
      if (character.length == 0) {
        out += text[at++];
        continue;
      }
      if (code == 0x130) {
        out += "i\u0307";
      } else {
        out += to_utf8(static_cast<uint32_t>(u_tolower(code)));
      }
      at += character.length;
    }
    return out;
  }

  std::optional<std::string> replaced(std::string_view text) const {
    if (text.find(step_.from) == std::string_view::npos) return std::nullopt;
    std::string out;
    size_t done = 0;
    for (size_t at = text.find(step_.from); at != std::string_view::npos; at = text.find(step_.from, done)) {
      out.append(text.substr(done, at - done)).append(step_.to);
      done = at + step_.from.size();
    }
    return out.append(text.substr(done));
  }

  NormalizerStep step_;
  const icu::Normalizer2* form_ = nullptr;
};

Normalizer::Normalizer(const std::vector<NormalizerStep>& steps) {
  for (const NormalizerStep& step : steps) {
    expect(step.kind != Kind::kReplace || !step.from.empty(), "what is replaced has at least a byte");
    steps_.push_back(std::make_unique<const Step>(step));
  }
}

Normalizer::~Normalizer() = default;

std::string_view Normalizer::apply(std::string_view text, std::string& memory) const {
  for (const auto& step : steps_) {
    if (auto changed = step->apply(text)) {
      memory = *std::move(changed);
      text = memory;
    }
  }
  return text;
}

bool word_character(uint32_t code) {
  auto c = static_cast<UChar32>(code);
  constexpr uint32_t kWord = U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK;
  return u_isUAlphabetic(c) != 0 || (U_GET_GC_MASK(c) & kWord) != 0 || code == 0x200c || code == 0x200d;
}

}  // namespace sextant::data
