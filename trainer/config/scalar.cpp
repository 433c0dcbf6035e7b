#include "trainer/config/scalar.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "trainer/config/complaint.h"

namespace sextant::trainer {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

size_t digits_from(const std::string& text, size_t at) {
  size_t end = at;
  while (end < text.size() && is_digit(text[end])) ++end;
  return end - at;
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return text;
}

// -?(0|[1-9][0-9]*)
bool is_integer(const std::string& text) {
  size_t start = text.starts_with('-') ? 1 : 0;
  size_t count = digits_from(text, start);
  return count > 0 && start + count == text.size() && (count == 1 || text[start] != '0');
}

// An integer, then maybe a fraction, then maybe an exponent.
bool is_number(const std::string& text) {
  size_t at = text.find_first_of(".eE");
  if (!is_integer(text.substr(0, at))) return false;
  if (at == std::string::npos) return true;
  if (text[at] == '.') {
    size_t count = digits_from(text, at + 1);
    if (count == 0) return false;
    at += 1 + count;
    if (at == text.size()) return true;
  }
  if (text[at] != 'e' && text[at] != 'E') return false;
  ++at;
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
  size_t count = digits_from(text, at);
  return count > 0 && at + count == text.size();
}

std::optional<double> finite(const std::string& text) {
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

// How to write what was probably meant, or nothing: " write 16" for 0x10.
std::string rewritten(const std::string& text) {
  std::string plain = text;
  std::erase(plain, '_');
  std::erase(plain, ',');
  if (plain.starts_with('+')) plain.erase(0, 1);
  bool negative = plain.starts_with('-');
  std::string digits = lower(plain.substr(negative ? 1 : 0));
  if (digits.starts_with("0x") || digits.starts_with("0o") || digits.starts_with("0b")) {
    int base = digits[1] == 'x' ? 16 : digits[1] == 'o' ? 8 : 2;
    uint64_t value = 0;
    auto [end, error] = std::from_chars(digits.data() + 2, digits.data() + digits.size(), value, base);
    bool whole = error == std::errc() && end == digits.data() + digits.size();
    return whole ? fmt::format("{}{}", negative ? "-" : "", value) : "";
  }
  while (digits.size() > 1 && digits[0] == '0' && is_digit(digits[1])) digits.erase(0, 1);
  if (digits.ends_with('.')) digits.pop_back();
  plain = fmt::format("{}{}{}", negative ? "-" : "", digits.starts_with('.') ? "0" : "", digits);
  return plain != text && is_number(plain) ? plain : "";
}

bool has_leading_zero(const std::string& text) {
  size_t start = text.starts_with('-') ? 1 : 0;
  return digits_from(text, start) > 1 && text[start] == '0';
}

std::string not_a_number(const std::string& text, const char* wanted, const char* example) {
  std::string instead = rewritten(text);
  if (instead.empty())
    return fmt::format("{} is not {}; write digits such as {}", shown(text), wanted, example);
  if (has_leading_zero(text)) {
    return fmt::format("{} has a leading zero, which some readers take for octal; write {}", shown(text),
                       instead);
  }
  return fmt::format("{} is not written as a plain decimal number; write {}", shown(text), instead);
}

std::string not_an_integer(const std::string& text) {
  if (!is_number(text)) return not_a_number(text, "a whole number", "100");
  auto value = finite(text);
  if (value && std::trunc(*value) == *value && std::abs(*value) < 1e15) {
    return fmt::format("{} is not written as a whole number; write {:.0f}", shown(text), *value);
  }
  return fmt::format("{} is not a whole number", shown(text));
}

template <class Integer>
Reading<Integer> read_whole(const std::string& text, Integer smallest, Integer largest) {
  if (!is_integer(text)) return not_an_integer(text);
  Integer value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  bool fits = error == std::errc() && end == text.data() + text.size();
  if (fits ? value < smallest : text.starts_with('-')) {
    return fmt::format("{} is out of range; give at least {}", shown(text), smallest);
  }
  if (!fits || value > largest)
    return fmt::format("{} is out of range; give at most {}", shown(text), largest);
  return value;
}

}  // namespace

Reading<bool> read_bool(const std::string& text) {
  if (text == "true") return true;
  if (text == "false") return false;
  std::string word = lower(text);
  for (const char* yes : {"true", "yes", "on", "y", "1"}) {
    if (word == yes) return fmt::format("{} is neither true nor false; write true", shown(text));
  }
  for (const char* no : {"false", "no", "off", "n", "0"}) {
    if (word == no) return fmt::format("{} is neither true nor false; write false", shown(text));
  }
  return fmt::format("{} is neither true nor false", shown(text));
}

Reading<int64_t> read_integer(const std::string& text, int64_t smallest, int64_t largest) {
  return read_whole(text, smallest, largest);
}

Reading<uint64_t> read_unsigned(const std::string& text, uint64_t smallest, uint64_t largest) {
  return read_whole(text, smallest, largest);
}

Reading<double> read_number(const std::string& text) {
  std::string word = lower(text);
  if (word.find("inf") != std::string::npos || word.find("nan") != std::string::npos) {
    return fmt::format("{} is not a finite number; write a number such as 0.001 or 1e-3", shown(text));
  }
  if (!is_number(text)) return not_a_number(text, "a number", "0.001 or 1e-3");
  auto value = finite(text);
  if (!value)
    return fmt::format("{} does not fit in 64 bits; write a number between 1e-300 and 1e300", shown(text));
  return *value;
}

}  // namespace sextant::trainer
