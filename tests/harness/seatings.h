#pragma once

#include "parallel/group.h"

// The two ways in which an axis goes through a world of several.
namespace sextant::parallel {

// Groups of `n` neighbours each: 0 1 | 2 3 for n = 2.
inline Seating neighbours(int64_t n) {
  return [n](Rank rank) { return Seat{rank.value() / n, rank.value()}; };
}

// `n` groups of ranks that lie n apart: 0 2 | 1 3 for n = 2.
inline Seating apart_by(int64_t n) {
  return [n](Rank rank) { return Seat{rank.value() % n, rank.value()}; };
}

}  // namespace sextant::parallel
