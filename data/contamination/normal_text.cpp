#include "data/contamination/normal_text.h"

#include <unicode/uchar.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <limits>

#include "data/tokenizer/unicode_classes.h"
#include "data/tokenizer/utf8.h"
#include "parallel/base/error.h"

namespace sextant::data {
namespace {

enum class Kind : uint8_t { kSymbol, kSpace, kKept };

Kind kind_of(uint32_t code) {
  CharacterClass is = UnicodeClasses::table().of(code);
  if ((is & (kSpace | kNewline)) != 0) return Kind::kSpace;
  return (is & (kLower | kUpper | kUncased | kMark | kNumber)) != 0 ? Kind::kKept : Kind::kSymbol;
}

struct Ascii {
  std::array<Kind, 128> kind;
  std::array<char, 128> lower;
};

Ascii ascii_table() {
  Ascii table{};
  for (uint32_t code = 0; code < 128; ++code) {
    table.kind[code] = kind_of(code);
    table.lower[code] = static_cast<char>(code >= 'A' && code <= 'Z' ? code - 'A' + 'a' : code);
  }
  return table;
}

const Ascii& ascii() {
  static const Ascii table = ascii_table();
  return table;
}

struct Character {
  Kind kind = Kind::kSymbol;
  uint32_t code = 0, length = 1;
};

inline Character character_at(const Ascii& table, std::string_view text, size_t at) {
  auto byte = static_cast<uint8_t>(text[at]);
  if (byte < 128) return {table.kind[byte], byte, 1};
  Utf8Character found = utf8_character(text, at);
  if (found.length == 0) return {};
  return {kind_of(found.code), found.code, found.length};
}

size_t append_utf8(uint32_t code, char* into) {
  if (code < 0x80) {
    into[0] = static_cast<char>(code);
    return 1;
  }
  if (code < 0x800) {
    into[0] = static_cast<char>(0xc0 | code >> 6);
    into[1] = static_cast<char>(0x80 | (code & 0x3f));
    return 2;
  }
  if (code < 0x10000) {
    into[0] = static_cast<char>(0xe0 | code >> 12);
    into[1] = static_cast<char>(0x80 | (code >> 6 & 0x3f));
    into[2] = static_cast<char>(0x80 | (code & 0x3f));
    return 3;
  }
  into[0] = static_cast<char>(0xf0 | code >> 18);
  into[1] = static_cast<char>(0x80 | (code >> 12 & 0x3f));
  into[2] = static_cast<char>(0x80 | (code >> 6 & 0x3f));
  into[3] = static_cast<char>(0x80 | (code & 0x3f));
  return 4;
}

// The byte at which the `index`-th of what `begins` says yes to begins.
template <class Begins>
size_t byte_of(std::string_view text, size_t index, const Begins& begins) {
  const Ascii& table = ascii();
  size_t seen = 0;
  for (size_t at = 0; at < text.size();) {
    Character one = character_at(table, text, at);
    if (begins(one.kind) && seen++ == index) return at;
    at += one.length;
  }
  return text.size();
}

// Where a text's normal form is being written. Copied into registers by whoever writes.
struct Writing {
  uint32_t* characters;
  char* words;
  const char* word = nullptr;  // where the one that is open begins; null: none is
};

// Writes text[at, end) and calls `word_ended(begin, end)` with the bytes of each word. Returns where it came
// to: at `end`, or behind it where a character reaches over.
template <class WordEnded>
size_t write_normal(std::string_view text, size_t at, size_t end, Writing& state,
                    const WordEnded& word_ended) {
  const Ascii& table = ascii();
  Writing now = state;
  while (at < end) {
    auto byte = static_cast<uint8_t>(text[at]);
    if (byte < 128 && table.kind[byte] == Kind::kKept) {
      if (now.word == nullptr) now.word = now.words;
      do {
        *now.characters++ = byte;
        *now.words++ = table.lower[byte];
        if (++at == end) break;
        byte = static_cast<uint8_t>(text[at]);
      } while (byte < 128 && table.kind[byte] == Kind::kKept);
      continue;
    }
    Character one = character_at(table, text, at);
    at += one.length;
    if (one.kind == Kind::kKept) {
      if (now.word == nullptr) now.word = now.words;
      *now.characters++ = one.code;
      now.words += append_utf8(static_cast<uint32_t>(u_tolower(static_cast<UChar32>(one.code))), now.words);
    } else if (one.kind == Kind::kSpace && now.word != nullptr) {
      word_ended(now.word, now.words);
      *now.words++ = ' ';
      now.word = nullptr;
    }
  }
  state = now;
  return at;
}

}  // namespace

void NormalText::assign(std::string_view text, size_t own) {
  expect(text.size() < std::numeric_limits<uint32_t>::max() / 2, "a piece of text has less than 2 GiB");
  // Lower case may have one byte more than upper case, a letter two bytes at least then.
  characters.resize(text.size());
  words.resize(text.size() * 2 + 1);
  word_list.clear();
  const char* first = words.data();
  auto end_word = [&](const char* begin, const char* end) {
    word_list.push_back({static_cast<uint32_t>(begin - first), static_cast<uint32_t>(end - first),
                         XXH3_64bits(begin, static_cast<size_t>(end - begin))});
  };
  Writing state{characters.data(), words.data()};
  size_t at = write_normal(text, 0, std::min(own, text.size()), state, end_word);
  own_characters = static_cast<size_t>(state.characters - characters.data());
  own_words = word_list.size() + (state.word != nullptr ? 1 : 0);
  write_normal(text, at, text.size(), state, end_word);
  if (state.word != nullptr) end_word(state.word, state.words);
  characters.resize(static_cast<size_t>(state.characters - characters.data()));
  words.resize(static_cast<size_t>(state.words - words.data()));
}

size_t byte_of_character(std::string_view text, size_t index) {
  return byte_of(text, index, [](Kind kind) { return kind == Kind::kKept; });
}

size_t byte_of_word(std::string_view text, size_t index) {
  bool inside = false;
  return byte_of(text, index, [&](Kind kind) {
    bool begins = kind == Kind::kKept && !inside;
    if (kind != Kind::kSymbol) inside = kind == Kind::kKept;
    return begins;
  });
}

size_t bytes_that_hold(std::string_view text, size_t from, size_t characters, size_t words) {
  const Ascii& table = ascii();
  bool inside = false;
  for (size_t at = from; at < text.size();) {
    Character one = character_at(table, text, at);
    at += one.length;
    if (one.kind == Kind::kKept) {
      if (characters > 0) --characters;
      inside = true;
    } else if (one.kind == Kind::kSpace && inside) {
      inside = false;
      if (words > 0) --words;
    }
    if (characters == 0 && words == 0) return at - from;
  }
  return std::string_view::npos;
}

std::string utf8_of(const uint32_t* characters, size_t count) {
  std::string text;
  std::array<char, 4> bytes{};
  for (size_t i = 0; i < count; ++i) text.append(bytes.data(), append_utf8(characters[i], bytes.data()));
  return text;
}

}  // namespace sextant::data
