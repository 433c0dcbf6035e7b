#include "data/tokenizer/byte_alphabet.h"

#include <gtest/gtest.h>

#include <set>

namespace sextant::data::byte_alphabet_test {
namespace {

TEST(ByteAlphabet, SpellsTheWellKnownCharacters) {
  ByteAlphabet alphabet;
  EXPECT_EQ(alphabet.spell(" the"), "Ġthe");
  EXPECT_EQ(alphabet.spell("\n\t\r"), "Ċĉč");
  EXPECT_EQ(alphabet.spell(std::string("\0", 1)), "Ā");
  EXPECT_EQ(alphabet.spell("\x7f"), "ġ");
  EXPECT_EQ(alphabet.spell("\xad"), "Ń");
  EXPECT_EQ(alphabet.spell("é"), "Ã©");
}

TEST(ByteAlphabet, EveryByteHasACharacterOfItsOwn) {
  ByteAlphabet alphabet;
  std::set<std::string> seen;
  for (int byte = 0; byte < 256; ++byte) {
    std::string one(1, static_cast<char>(byte));
    std::string spelled = alphabet.spell(one);
    EXPECT_TRUE(seen.insert(spelled).second) << byte;
    EXPECT_EQ(alphabet.bytes(spelled), one) << byte;
  }
}

TEST(ByteAlphabet, OtherCharactersSpellNothing) {
  ByteAlphabet alphabet;
  for (const char* text : {" ", "a b", "\n", "ń x", "あ", "😀", "ŋ", "\xc2\xad", "\xc4"}) {
    EXPECT_EQ(alphabet.bytes(text), std::nullopt) << text;
  }
  EXPECT_EQ(alphabet.bytes(""), "");
}

}  // namespace
}  // namespace sextant::data::byte_alphabet_test
