#include "trainer/config/scalar.h"

#include <gtest/gtest.h>

#include <limits>

namespace sextant::trainer::scalar_test {
namespace {

constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

std::string complaint(const Reading<int64_t>& reading) {
  return std::holds_alternative<std::string>(reading) ? std::get<std::string>(reading) : "accepted";
}
std::string integer(const std::string& text) {
  return complaint(read_integer(text, kLeast, kMost));
}
std::string number(const std::string& text) {
  Reading<double> reading = read_number(text);
  return std::holds_alternative<std::string>(reading) ? std::get<std::string>(reading) : "accepted";
}
std::string boolean(const std::string& text) {
  Reading<bool> reading = read_bool(text);
  return std::holds_alternative<std::string>(reading) ? std::get<std::string>(reading) : "accepted";
}

TEST(Scalar, ReadsPlainIntegers) {
  EXPECT_EQ(std::get<int64_t>(read_integer("0", kLeast, kMost)), 0);
  EXPECT_EQ(std::get<int64_t>(read_integer("-17", kLeast, kMost)), -17);
  EXPECT_EQ(std::get<int64_t>(read_integer("9223372036854775807", kLeast, kMost)), kMost);
  EXPECT_EQ(std::get<int64_t>(read_integer("-9223372036854775808", kLeast, kMost)), kLeast);
  EXPECT_EQ(std::get<uint64_t>(read_unsigned("18446744073709551615", 0, ~uint64_t{0})), ~uint64_t{0});
}

TEST(Scalar, RefusesOtherSpellingsOfIntegersAndSaysHowToWriteThem) {
  EXPECT_EQ(integer("010"), R"("010" has a leading zero, which some readers take for octal; write 10)");
  EXPECT_EQ(integer("0x10"), R"("0x10" is not written as a plain decimal number; write 16)");
  EXPECT_EQ(integer("0o17"), R"("0o17" is not written as a plain decimal number; write 15)");
  EXPECT_EQ(integer("0b101"), R"("0b101" is not written as a plain decimal number; write 5)");
  EXPECT_EQ(integer("1_000"), R"("1_000" is not written as a plain decimal number; write 1000)");
  EXPECT_EQ(integer("1,000"), R"("1,000" is not written as a plain decimal number; write 1000)");
  EXPECT_EQ(integer("+5"), R"("+5" is not written as a plain decimal number; write 5)");
  EXPECT_EQ(integer("1e3"), R"("1e3" is not written as a whole number; write 1000)");
  EXPECT_EQ(integer("5.0"), R"("5.0" is not written as a whole number; write 5)");
  EXPECT_EQ(integer("5.5"), R"("5.5" is not a whole number)");
  EXPECT_EQ(integer("fast"), R"("fast" is not a whole number; write digits such as 100)");
  EXPECT_EQ(integer("-"), R"("-" is not a whole number; write digits such as 100)");
  EXPECT_EQ(integer(""), R"("" is not a whole number; write digits such as 100)");
  EXPECT_EQ(integer("12:30:00"), R"("12:30:00" is not a whole number; write digits such as 100)");
  EXPECT_EQ(integer("--5"), R"("--5" is not a whole number; write digits such as 100)");
}

TEST(Scalar, RefusesIntegersThatDoNotFit) {
  EXPECT_EQ(complaint(read_integer("2147483648", -2147483648LL, 2147483647)),
            R"("2147483648" is out of range; give at most 2147483647)");
  EXPECT_EQ(complaint(read_integer("0", 1, 10)), R"("0" is out of range; give at least 1)");
  EXPECT_EQ(integer("9223372036854775808"),
            R"("9223372036854775808" is out of range; give at most 9223372036854775807)");
  EXPECT_EQ(integer("-9223372036854775809"),
            R"("-9223372036854775809" is out of range; give at least -9223372036854775808)");
  EXPECT_EQ(std::get<std::string>(read_unsigned("-1", 0, 10)), R"("-1" is out of range; give at least 0)");
  EXPECT_EQ(std::get<std::string>(read_unsigned("18446744073709551616", 0, ~uint64_t{0})),
            R"("18446744073709551616" is out of range; give at most 18446744073709551615)");
}

TEST(Scalar, ReadsNumbers) {
  EXPECT_EQ(std::get<double>(read_number("1e-3")), 1e-3);
  EXPECT_EQ(std::get<double>(read_number("3E+4")), 3e4);
  EXPECT_EQ(std::get<double>(read_number("-0.25")), -0.25);
  EXPECT_EQ(std::get<double>(read_number("1")), 1.0);
  EXPECT_EQ(std::get<double>(read_number("1.5e2")), 150.0);
}

TEST(Scalar, RefusesOtherSpellingsOfNumbers) {
  for (const char* text : {".inf", "-.inf", ".NaN", "inf", "nan", "Infinity"}) {
    EXPECT_TRUE(number(text).find("not a finite number") != std::string::npos) << number(text);
  }
  EXPECT_EQ(number("fast"), R"("fast" is not a number; write digits such as 0.001 or 1e-3)");
  EXPECT_EQ(number(".5"), R"(".5" is not written as a plain decimal number; write 0.5)");
  EXPECT_EQ(number("5."), R"("5." is not written as a plain decimal number; write 5)");
  EXPECT_EQ(number("010.5"), R"("010.5" has a leading zero, which some readers take for octal; write 10.5)");
  EXPECT_EQ(number("1e"), R"("1e" is not a number; write digits such as 0.001 or 1e-3)");
  EXPECT_EQ(number("0x1p3"), R"("0x1p3" is not a number; write digits such as 0.001 or 1e-3)");
  EXPECT_EQ(number("1e999"), R"("1e999" does not fit in 64 bits; write a number between 1e-300 and 1e300)");
}

TEST(Scalar, ReadsTrueAndFalseOnly) {
  EXPECT_TRUE(std::get<bool>(read_bool("true")));
  EXPECT_FALSE(std::get<bool>(read_bool("false")));
  for (const char* text : {"True", "TRUE", "yes", "on", "1", "y"}) {
    EXPECT_EQ(boolean(text), '"' + std::string(text) + "\" is neither true nor false; write true");
  }
  for (const char* text : {"False", "no", "Off", "0"}) {
    EXPECT_EQ(boolean(text), '"' + std::string(text) + "\" is neither true nor false; write false");
  }
  EXPECT_EQ(boolean("maybe"), R"("maybe" is neither true nor false)");
}

}  // namespace
}  // namespace sextant::trainer::scalar_test
