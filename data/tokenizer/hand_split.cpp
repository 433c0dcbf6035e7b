#include "data/tokenizer/hand_split.h"

#include <array>

#include "data/tokenizer/ascii_runs.h"
#include "data/tokenizer/utf8.h"

namespace sextant::data {
namespace {

constexpr std::array<CharacterClass, 128> kAscii = [] {
  std::array<CharacterClass, 128> classes{};
  for (CharacterClass& c : classes) c = kOther;
  for (char c = 'a'; c <= 'z'; ++c) classes[static_cast<uint8_t>(c)] = kLower;
  for (char c = 'A'; c <= 'Z'; ++c) classes[static_cast<uint8_t>(c)] = kUpper;
  for (char c = '0'; c <= '9'; ++c) classes[static_cast<uint8_t>(c)] = kNumber;
  for (char c : {' ', '\t', '\v', '\f'}) classes[static_cast<uint8_t>(c)] = kSpace;
  for (char c : {'\n', '\r'}) classes[static_cast<uint8_t>(c)] = kNewline;
  return classes;
}();

// Sets of classes.
constexpr uint8_t kLetters = kLower | kUpper | kUncased;
constexpr uint8_t kPunctuation = kOther | kMark;  // [^\s\p{L}\p{N}]
constexpr uint8_t kWhite = kSpace | kNewline;
constexpr uint8_t kWordStart = kUpper | kUncased | kMark;  // [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]
constexpr uint8_t kWordEnd = kLower | kUncased | kMark;    // [\p{Ll}\p{Lm}\p{Lo}\p{M}]

constexpr size_t kNoMatch = 0;

struct Here {
  CharacterClass cls;
  uint32_t length;
};

struct Reader {
  std::string_view text;
  const UnicodeClasses& classes;

  Here at(size_t i) const {
    if (i >= text.size()) return {kEnd, 0};
    auto byte = static_cast<uint8_t>(text[i]);
    if (byte < 0x80) return {kAscii[byte], 1};
    Utf8Character character = utf8_character(text, i);
    if (character.length == 0) return {kEnd, 0};
    return {classes.of(character.code), character.length};
  }
  char byte(size_t i) const { return i < text.size() ? text[i] : '\0'; }
  bool ascii(size_t i) const { return i < text.size() && static_cast<uint8_t>(text[i]) < 0x80; }
  bool eight_from(size_t i) const { return i + ascii_runs::kBytes <= text.size(); }
  // The end of the run of letters at i: by eights as far as they are ASCII, then one by one.
  size_t skip_letters(size_t i) const {
    for (size_t run = ascii_runs::kBytes; run == ascii_runs::kBytes && eight_from(i); i += run) {
      run = ascii_runs::letters(text.data() + i);
    }
    return skip(i, kLetters);
  }
  // The same for what o200k ends its words with.
  size_t skip_small(size_t i) const {
    for (size_t run = ascii_runs::kBytes; run == ascii_runs::kBytes && eight_from(i); i += run) {
      run = ascii_runs::small_letters(text.data() + i);
    }
    return skip(i, kWordEnd);
  }
  // The end of the run of characters whose class is in `set`.
  size_t skip(size_t i, uint8_t set) const {
    for (;;) {
      while (ascii(i)) {
        if ((kAscii[static_cast<uint8_t>(text[i])] & set) == 0) return i;
        ++i;
      }
      Here here = at(i);
      if ((here.cls & set) == 0) return i;
      i += here.length;
    }
  }
};

size_t broken_end(const Reader& in, size_t i) {
  while (i < in.text.size() && in.at(i).length == 0) ++i;
  return i;
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

// Length of 's 't 're 've 'm 'll 'd at `i`, or 0. kLower: in either case, which in Unicode makes the long s
// (U+017F) an s.
enum class Fold { kExact, kLower };
size_t contraction(const Reader& in, size_t i, Fold fold) {
  char first = in.byte(i + 1), second = in.byte(i + 2);
  if (fold == Fold::kLower) {
    if (first == '\xc5' && second == '\xbf') return 3;
    first = lower(first), second = lower(second);
  }
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e')) return 3;
  return first == 'l' && second == 'l' ? 3 : 0;
}

// \s+(?!\S)|\s : a run of white space that starts at i leaves its last character to the word behind it.
size_t white_space(const Reader& in, size_t i, size_t run_end) {
  if (in.at(run_end).cls == kEnd) return run_end;
  size_t last = in.ascii(run_end - 1) ? run_end - 1 : utf8_start_before(in.text, run_end);
  return last > i ? last : run_end;
}

// A word of letters with the space before it, if that is what starts at i: most pieces of most texts are, and
// no alternative stands before it in any of the patterns.
size_t plain_word(const Reader& in, size_t i) {
  size_t word = i + (in.text[i] == ' ' ? 1 : 0);
  size_t end = in.skip_letters(word);
  return end > word ? end : kNoMatch;
}

size_t gpt2(const Reader& in, size_t i) {
  if (size_t end = plain_word(in, i); end != kNoMatch) return end;
  Here here = in.at(i);
  if (in.byte(i) == '\'') {
    if (size_t length = contraction(in, i, Fold::kExact); length != 0) return i + length;
  }
  size_t word = i;
  if (in.byte(i) == ' ') {
    Here next = in.at(i + 1);
    if ((next.cls & (kLetters | kNumber | kPunctuation)) != 0) here = next, word = i + 1;
  }
  for (uint8_t set : {kLetters, uint8_t{kNumber}, kPunctuation}) {
    if ((here.cls & set) != 0) return in.skip(word + here.length, set);
  }
  return white_space(in, i, in.skip(i, kWhite));
}

// What cl100k and those after it differ in.
struct Rules {
  int digits;              // in a number
  bool slash_in_tail;      // whether punctuation takes slashes along, beside newlines
  bool last_run_is_whole;  // \s++$ before \s*[\r\n]
};
constexpr Rules kCl100kRules{3, false, true};
constexpr Rules kLlama3Rules{3, false, false};
constexpr Rules kQwen2Rules{1, false, false};
constexpr Rules kO200kRules{3, true, false};

// \s*[\r\n]+|\s+(?!\S)|\s : up to the last newline of the run, if there is one.
size_t lines(const Reader& in, size_t i, const Rules& rules) {
  size_t newline = kNoMatch, end = i;
  for (Here here = in.at(end); (here.cls & kWhite) != 0; here = in.at(end)) {
    end += here.length;
    if (here.cls == kNewline) newline = end;
  }
  if (rules.last_run_is_whole && end == in.text.size()) return end;
  return newline != kNoMatch ? newline : white_space(in, i, end);
}

// \p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*| and white space.
size_t no_word(const Reader& in, size_t i, Here here, const Rules& rules) {
  if (here.cls == kNumber) {
    size_t end = i + here.length;
    for (int digits = 1; digits < rules.digits; ++digits) {
      Here next = in.at(end);
      if (next.cls != kNumber) break;
      end += next.length;
    }
    return end;
  }
  if ((here.cls & kPunctuation) != 0 || (in.byte(i) == ' ' && (in.at(i + 1).cls & kPunctuation) != 0)) {
    size_t end = in.skip(i + here.length, kPunctuation);
    while (in.byte(end) == '\n' || in.byte(end) == '\r' || (rules.slash_in_tail && in.byte(end) == '/'))
      ++end;
    return end;
  }
  return lines(in, i, rules);
}

size_t cl100k(const Reader& in, size_t i, const Rules& rules) {
  if (size_t end = plain_word(in, i); end != kNoMatch) return end;
  Here here = in.at(i);
  if ((here.cls & (kPunctuation | kSpace)) != 0) {
    if (in.byte(i) == '\'') {
      if (size_t length = contraction(in, i, Fold::kLower); length != 0) return i + length;
    }
    Here next = in.at(i + here.length);
    if ((next.cls & kLetters) != 0) return in.skip_letters(i + here.length + next.length);
  }
  return no_word(in, i, here, rules);
}

// [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+ : where the first run ends at a capital, it
// gives back everything behind its last character that the second may begin with.
size_t capitals_then_small(const Reader& in, size_t i) {
  size_t end = i, last_uncased = kNoMatch;
  Here here = in.at(end);
  for (; (here.cls & kWordStart) != 0; here = in.at(end)) {
    end += here.length;
    if ((here.cls & kWordEnd) != 0) last_uncased = end;
  }
  return here.cls == kLower ? in.skip(end, kWordEnd) : last_uncased;
}

size_t o200k_word(const Reader& in, size_t i, Here here) {
  // [^\r\n\p{L}\p{N}]? in front of the word.
  bool prefix = (here.cls & (kPunctuation | kSpace)) != 0;
  size_t word = prefix ? i + here.length : i;
  size_t end = capitals_then_small(in, word);
  if (end == kNoMatch && here.cls == kMark) end = capitals_then_small(in, i);
  if (end == kNoMatch) {
    end = in.skip(word, kWordStart);
    if (end == word) return kNoMatch;
  }
  if (in.byte(end) == '\'') end += contraction(in, end, Fold::kLower);
  return end;
}

// The same for o200k: a space or none, a capital or none, small letters.
size_t plain_small_word(const Reader& in, size_t i) {
  size_t word = i + (in.text[i] == ' ' ? 1 : 0);
  size_t small = word + (in.byte(word) >= 'A' && in.byte(word) <= 'Z' ? 1 : 0);
  if (in.byte(small) < 'a' || in.byte(small) > 'z') return kNoMatch;
  size_t end = in.skip_small(small + 1);
  return in.byte(end) == '\'' ? end + contraction(in, end, Fold::kLower) : end;
}

size_t o200k(const Reader& in, size_t i) {
  if (size_t end = plain_small_word(in, i); end != kNoMatch) return end;
  Here here = in.at(i);
  if ((here.cls & (kLetters | kPunctuation | kSpace)) != 0) {
    if (size_t end = o200k_word(in, i, here); end != kNoMatch) return end;
  }
  return no_word(in, i, here, kO200kRules);
}

size_t digits(const Reader& in, size_t i) {
  Here here = in.at(i);
  if (here.cls == kNumber) return i + here.length;
  while (i < in.text.size() && here.cls != kNumber) {
    i += here.length == 0 ? 1 : here.length;
    while (in.eight_from(i)) {
      size_t run = ascii_runs::no_digits(in.text.data() + i);
      i += run;
      if (run < ascii_runs::kBytes) break;
    }
    here = in.at(i);
  }
  return i;
}

// One loop for each kind, so that which it is is not asked for every piece. A piece that ends where it starts
// means bytes that are not UTF-8.
template <class PieceEnd>
size_t fill(const Reader& in, size_t at, std::span<size_t> ends, PieceEnd piece_end) {
  size_t count = 0;
  while (count < ends.size() && at < in.text.size()) {
    size_t end = piece_end(in, at);
    at = end > at ? end : broken_end(in, at);
    ends[count++] = at;
  }
  return count;
}

}  // namespace

size_t HandSplit::piece_ends(std::string_view text, size_t at, std::span<size_t> ends) const {
  Reader reader{text, *classes_};
  switch (kind_) {
    case Kind::kGpt2:
      return fill(reader, at, ends, [](const Reader& in, size_t i) { return gpt2(in, i); });
    case Kind::kCl100k:
      return fill(reader, at, ends, [](const Reader& in, size_t i) { return cl100k(in, i, kCl100kRules); });
    case Kind::kLlama3:
      return fill(reader, at, ends, [](const Reader& in, size_t i) { return cl100k(in, i, kLlama3Rules); });
    case Kind::kQwen2:
      return fill(reader, at, ends, [](const Reader& in, size_t i) { return cl100k(in, i, kQwen2Rules); });
    case Kind::kO200k:
      return fill(reader, at, ends, [](const Reader& in, size_t i) { return o200k(in, i); });
    case Kind::kDigits:
      return fill(reader, at, ends, [](const Reader& in, size_t i) { return digits(in, i); });
  }
  return 0;
}

}  // namespace sextant::data
