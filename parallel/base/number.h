#pragma once

#include <compare>
#include <cstdint>

namespace sextant {

// An integer of one kind. Numbers of different kinds do not mix, and none converts to int in silence.
template <class Kind>
class Number {
 public:
  constexpr Number() = default;
  constexpr explicit Number(int64_t value) : value_(value) {}

  constexpr int64_t value() const { return value_; }

  constexpr auto operator<=>(const Number&) const = default;
  constexpr Number& operator+=(Number other) { return value_ += other.value_, *this; }
  constexpr Number& operator-=(Number other) { return value_ -= other.value_, *this; }
  constexpr Number& operator++() { return ++value_, *this; }
  friend constexpr Number operator+(Number a, Number b) { return Number(a.value_ + b.value_); }
  friend constexpr Number operator-(Number a, Number b) { return Number(a.value_ - b.value_); }
  friend constexpr Number operator*(Number a, int64_t times) { return Number(a.value_ * times); }

 private:
  int64_t value_ = 0;
};

using Rank = Number<struct RankKind>;      // a process (or thread) within a group, from 0
using Step = Number<struct StepKind>;      // optimizer updates done
using Tokens = Number<struct TokensKind>;  // token positions trained on
using Bytes = Number<struct BytesKind>;

}  // namespace sextant
