#include "data/tokenizer/ascii_runs.h"

#include <gtest/gtest.h>

#include <string>

namespace sextant::data::ascii_runs_test {
namespace {

// Every byte at every place among the eight, before and behind letters and digits.
template <class Run, class Belongs>
void expect_runs(Run run, Belongs belongs, char filler) {
  for (int byte = 0; byte < 256; ++byte) {
    for (size_t place = 0; place < 8; ++place) {
      std::string eight(8, filler);
      eight[place] = static_cast<char>(byte);
      size_t expected = belongs(byte) ? 8 : place;
      ASSERT_EQ(run(eight.data()), expected) << "byte " << byte << " at " << place;
    }
  }
}

bool small(int byte) {
  return byte >= 'a' && byte <= 'z';
}

TEST(AsciiRuns, Letters) {
  auto letter = [](int byte) { return small(byte) || (byte >= 'A' && byte <= 'Z'); };
  expect_runs(ascii_runs::letters, letter, 'z');
  expect_runs(ascii_runs::letters, letter, 'A');
}

TEST(AsciiRuns, SmallLetters) {
  expect_runs(ascii_runs::small_letters, small, 'a');
}

TEST(AsciiRuns, NoDigits) {
  auto no_digit = [](int byte) { return byte < 0x80 && (byte < '0' || byte > '9'); };
  expect_runs(ascii_runs::no_digits, no_digit, '/');
  expect_runs(ascii_runs::no_digits, no_digit, '\x7f');
}

TEST(AsciiRuns, TheFirstEndsIt) {
  EXPECT_EQ(ascii_runs::letters("ab cd ef"), 2u);
  EXPECT_EQ(ascii_runs::letters("\xc3"
                                "bcdefgh"),
            0u);
}

}  // namespace
}  // namespace sextant::data::ascii_runs_test
