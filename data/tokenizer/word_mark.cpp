#include "data/tokenizer/word_mark.h"

#include <algorithm>

#include "data/tokenizer/byte_alphabet.h"

namespace sextant::data {
namespace {

constexpr std::string_view kWords = "\xe2\x96\x81+[^\xe2\x96\x81]*|[^\xe2\x96\x81]+";

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  for (;;) {
    size_t at = text.find(from);
    out += text.substr(0, at);
    if (at == std::string_view::npos) return out;
    out += to;
    text.remove_prefix(at + from.size());
  }
}

bool mark_inside(std::string_view token) {
  while (token.starts_with(kWordMark)) token.remove_prefix(kWordMark.size());
  return token.find(kWordMark) != std::string_view::npos;
}

}  // namespace

std::string marked(std::string_view text, CharacterSettings::Mark mark, Stretch place) {
  using Mark = CharacterSettings::Mark;
  std::string out = replaced(text, " ", kWordMark);
  bool wanted = mark == Mark::kAlways || (mark == Mark::kFirst && place == Stretch::kFirst);
  if (wanted && !out.starts_with(kWordMark)) out.insert(0, kWordMark);
  return out;
}

std::vector<std::string> splitting_expressions(const TokenizerDefinition& definition) {
  bool words = definition.alphabet == Alphabet::kCharacters && definition.expressions.empty();
  bool mark_is_token = false;
  for (const std::string& token : definition.tokens) {
    if (!words) break;
    words = !mark_inside(token);
    mark_is_token = mark_is_token || token == kWordMark;
  }
  return words && mark_is_token ? std::vector<std::string>{std::string(kWords)} : definition.expressions;
}

std::vector<std::string> decoded_tokens(const TokenizerDefinition& definition) {
  std::vector<std::string> decoded;
  decoded.reserve(definition.tokens.size());
  for (const std::string& token : definition.tokens) {
    auto byte = byte_of_fallback(token);
    if (byte && definition.characters.byte_fallback) {
      decoded.emplace_back(1, static_cast<char>(*byte));
    } else {
      decoded.push_back(replaced(token, kWordMark, " "));
    }
  }
  for (const AddedToken& token : definition.added) decoded[static_cast<size_t>(token.id)] = token.text;
  return decoded;
}

}  // namespace sextant::data
