#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

namespace sextant::trainer {

// Strict readings of a scalar's text: one way to write each value, so that no two programs read it
// differently. Each returns the value, or a sentence that says what is wrong and how to write it.
template <class Value>
using Reading = std::variant<Value, std::string>;

// "true" and "false", nothing else.
Reading<bool> read_bool(const std::string& text);

// Decimal digits without leading zeros, underscores or exponents. The smallest and largest value that the
// field takes are named where the number does not fit.
Reading<int64_t> read_integer(const std::string& text, int64_t smallest, int64_t largest);
Reading<uint64_t> read_unsigned(const std::string& text, uint64_t smallest, uint64_t largest);

// Decimal, such as 1, 0.5, 1e-3; finite.
Reading<double> read_number(const std::string& text);

}  // namespace sextant::trainer
