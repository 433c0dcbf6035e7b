#include "data/contamination/normal_text.h"

#include <gtest/gtest.h>

namespace sextant::data::normal_text_test {
namespace {

std::string characters_of(const std::string& text) {
  NormalText normal;
  normal.assign(text);
  return utf8_of(normal.characters.data(), normal.characters.size());
}

std::vector<std::string> words_of(const std::string& text) {
  NormalText normal;
  normal.assign(text);
  std::vector<std::string> words;
  for (size_t i = 0; i < normal.word_list.size(); ++i) words.emplace_back(normal.span(i, 1));
  return words;
}

TEST(NormalText, KeepsLettersMarksAndNumbers) {
  EXPECT_EQ(characters_of("Don't  STOP—é!\n(中文, ١٢) $5.00"), "DontSTOPé中文١٢500");
  EXPECT_EQ(characters_of("हिन्दी"), "हिन्दी") << "vowel signs are marks";
  EXPECT_EQ(characters_of("_-+=… \t"), "");
  EXPECT_EQ(characters_of(""), "");
}

TEST(NormalText, WordsAreLowerCaseWithoutSymbols) {
  EXPECT_EQ(words_of("  Don't STOP—now, ÉTÉ\xc2\xa0x \n-- 12.5% "),
            (std::vector<std::string>{"dont", "stopnow", "été", "x", "125"}));
  // U+023A has two bytes, its lower case U+2C65 three.
  EXPECT_EQ(words_of("\xc8\xba\xc8\xba\xc8\xba\xc8\xba")[0].size(), 12u);
}

TEST(NormalText, BytesThatAreNoUtf8AreSymbols) {
  EXPECT_EQ(characters_of("a\xff\xc3(b\xe4\xb8"), "ab");
  EXPECT_EQ(words_of("a\xff\xc3(b \xe4\xb8"), (std::vector<std::string>{"ab"}));
}

TEST(NormalText, CountsWhatBeginsInItsOwnBytes) {
  NormalText normal;
  normal.assign("ab cd, ef", 4);
  EXPECT_EQ(normal.own_characters, 3u);
  EXPECT_EQ(normal.own_words, 2u) << "cd begins before byte 4";
  normal.assign("ab cd, ef", 9);
  EXPECT_EQ(normal.own_characters, 6u);
  EXPECT_EQ(normal.own_words, 3u);
  EXPECT_EQ(normal.span(1, 2), "cd ef");
}

TEST(NormalText, FindsBytesAgain) {
  std::string text = "-é 'b c-d";
  EXPECT_EQ(byte_of_character(text, 0), 1u);
  EXPECT_EQ(byte_of_character(text, 1), 5u);
  EXPECT_EQ(byte_of_character(text, 4), text.size());
  EXPECT_EQ(byte_of_word(text, 1), 5u);
  EXPECT_EQ(byte_of_word(text, 2), 7u);
  EXPECT_EQ(byte_of_word(text, 3), text.size()) << "c-d is one word";
}

TEST(NormalText, SaysHowFarToLook) {
  EXPECT_EQ(bytes_that_hold("ab cd ef", 0, 3, 0), 4u);
  EXPECT_EQ(bytes_that_hold("ab cd ef", 2, 0, 1), 4u) << "the word ends where white space says so";
  EXPECT_EQ(bytes_that_hold("ab cd", 0, 0, 2), std::string::npos) << "more of the word may follow";
  EXPECT_EQ(bytes_that_hold("ab", 0, 3, 0), std::string::npos);
}

}  // namespace
}  // namespace sextant::data::normal_text_test
