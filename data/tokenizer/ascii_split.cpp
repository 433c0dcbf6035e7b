#include "data/tokenizer/ascii_split.h"

#include <array>

namespace sextant::data {
namespace {

enum Class : uint8_t { kOther, kLower, kUpper, kDigit, kSpace, kNewline, kEnd, kBeyond };

constexpr std::array<Class, 256> kClasses = [] {
  std::array<Class, 256> classes{};
  for (int c = 0; c < 256; ++c) classes[static_cast<size_t>(c)] = c < 0x80 ? kOther : kBeyond;
  for (char c = 'a'; c <= 'z'; ++c) classes[static_cast<uint8_t>(c)] = kLower;
  for (char c = 'A'; c <= 'Z'; ++c) classes[static_cast<uint8_t>(c)] = kUpper;
  for (char c = '0'; c <= '9'; ++c) classes[static_cast<uint8_t>(c)] = kDigit;
  for (char c : {' ', '\t', '\v', '\f'}) classes[static_cast<uint8_t>(c)] = kSpace;
  for (char c : {'\n', '\r'}) classes[static_cast<uint8_t>(c)] = kNewline;
  return classes;
}();

constexpr size_t kUndecided = 0;

bool letter(Class c) {
  return c == kLower || c == kUpper;
}
bool space(Class c) {
  return c == kSpace || c == kNewline;
}

struct Reader {
  std::string_view text;

  Class at(size_t i) const { return i < text.size() ? kClasses[static_cast<uint8_t>(text[i])] : kEnd; }
  char byte(size_t i) const { return i < text.size() ? text[i] : '\0'; }
  // The first place from i on whose class `in` refuses.
  template <class In>
  size_t skip(size_t i, In in) const {
    while (i < text.size() && in(kClasses[static_cast<uint8_t>(text[i])])) ++i;
    return i;
  }
  // A run that ends at `end`, unless what stands there could belong to it.
  size_t decided(size_t end) const { return at(end) == kBeyond ? kUndecided : end; }
  size_t letters(size_t i) const { return decided(skip(i, letter)); }
};

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

// Length of 's 't 're 've 'm 'll 'd at `i`, or 0. With `fold`, in either case.
enum class Fold { kExact, kLower };
size_t contraction(const Reader& in, size_t i, Fold fold) {
  char first = in.byte(i + 1), second = in.byte(i + 2);
  if (fold == Fold::kLower) first = lower(first), second = lower(second);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e')) return 3;
  return first == 'l' && second == 'l' ? 3 : 0;
}

// \s+(?!\S)|\s+ : a run of white space leaves its last character to the word behind it.
size_t white_space(const Reader& in, size_t i, size_t run_end) {
  if (in.at(run_end) == kEnd || run_end == i + 1) return run_end;
  return run_end - 1;
}

size_t gpt2(const Reader& in, size_t i) {
  Class c = in.at(i);
  if (c == kOther && in.byte(i) == '\'') {
    if (size_t length = contraction(in, i, Fold::kExact); length != 0) return i + length;
  }
  size_t word = i;
  if (in.byte(i) == ' ') {
    Class next = in.at(i + 1);
    if (next == kBeyond) return kUndecided;
    if (next != kEnd && !space(next)) c = next, word = i + 1;
  }
  if (letter(c)) return in.letters(word);
  if (c == kDigit) return in.decided(in.skip(word, [](Class x) { return x == kDigit; }));
  if (c == kOther) return in.decided(in.skip(word, [](Class x) { return x == kOther; }));
  size_t run_end = in.skip(i, space);
  return in.decided(run_end) == kUndecided ? kUndecided : white_space(in, i, run_end);
}

// What cl100k and o200k share once words are out of the way: numbers, punctuation, white space.
size_t number_or_punctuation(const Reader& in, size_t i, bool (*tail)(char)) {
  Class c = in.at(i);
  if (c == kDigit) {
    size_t end = i + 1;
    while (end < i + 3 && in.at(end) == kDigit) ++end;
    return end == i + 3 ? end : in.decided(end);
  }
  if (c == kOther || (in.byte(i) == ' ' && in.at(i + 1) == kOther)) {
    size_t end = in.skip(i + 1, [](Class x) { return x == kOther; });
    if (in.at(end) == kBeyond) return kUndecided;
    while (end < in.text.size() && tail(in.text[end])) ++end;
    return end;
  }
  size_t run_end = in.skip(i, space);
  if (in.decided(run_end) == kUndecided) return kUndecided;
  // \s*[\r\n]+ : up to the last newline of the run.
  for (size_t end = run_end; end > i; --end) {
    if (in.at(end - 1) == kNewline) return end;
  }
  return white_space(in, i, run_end);
}

bool newline(char c) {
  return c == '\n' || c == '\r';
}
bool newline_or_slash(char c) {
  return newline(c) || c == '/';
}

size_t cl100k(const Reader& in, size_t i) {
  Class c = in.at(i);
  if (letter(c)) return in.letters(i);
  if (c == kOther || c == kSpace) {
    Class next = in.at(i + 1);
    if (next == kBeyond) return kUndecided;
    if (in.byte(i) == '\'') {
      if (size_t length = contraction(in, i, Fold::kLower); length != 0) return i + length;
    }
    if (letter(next)) return in.letters(i + 1);
  }
  return number_or_punctuation(in, i, newline);
}

// Capitals, then small letters, then perhaps a contraction.
size_t o200k_word(const Reader& in, size_t i) {
  size_t end = in.skip(i, [](Class x) { return x == kUpper; });
  end = in.skip(end, [](Class x) { return x == kLower; });
  if (in.at(end) == kBeyond) return kUndecided;
  if (in.byte(end) != '\'') return end;
  return in.at(end + 1) == kBeyond ? kUndecided : end + contraction(in, end, Fold::kLower);
}

size_t o200k(const Reader& in, size_t i) {
  Class c = in.at(i);
  if (letter(c)) return o200k_word(in, i);
  if (c == kOther || c == kSpace) {
    Class next = in.at(i + 1);
    if (next == kBeyond) return kUndecided;
    if (letter(next)) return o200k_word(in, i + 1);
  }
  return number_or_punctuation(in, i, newline_or_slash);
}

}  // namespace

size_t AsciiSplit::piece_end(std::string_view text, size_t at) const {
  Reader in{text};
  if (kind_ == Kind::kNone || in.at(at) == kBeyond) return kUndecided;
  switch (kind_) {
    case Kind::kGpt2:
      return gpt2(in, at);
    case Kind::kCl100k:
      return cl100k(in, at);
    case Kind::kO200k:
      return o200k(in, at);
    case Kind::kNone:
      break;
  }
  return kUndecided;
}

}  // namespace sextant::data
