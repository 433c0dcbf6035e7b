#include "data/permutation.h"

#include <cmath>

#include "parallel/base/error.h"

namespace sextant::data {
namespace {

// The finalizer of SplitMix64 (Steele et al. 2014): every input bit reaches every output bit.
uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

// A word scaled to [0, bound).
uint64_t scale(uint64_t word, uint64_t bound) {
  __extension__ using uint128 = unsigned __int128;
  return static_cast<uint64_t>((static_cast<uint128>(word) * bound) >> 64);
}

uint64_t add_modulo(uint64_t a, uint64_t b, uint64_t modulus) {
  uint64_t sum = a + b;
  return sum >= modulus ? sum - modulus : sum;
}

}  // namespace

Permutation::Permutation(int64_t size, const RandomKey& key, uint64_t number) {
  expect(size > 0, "a permutation has at least one element");
  size_ = static_cast<uint64_t>(size);
  rows_ = static_cast<uint64_t>(std::sqrt(static_cast<double>(size)));
  if (rows_ < 2 && size > 2) rows_ = 2;  // a single row could only be turned round
  columns_ = (size_ + rows_ - 1) / rows_;
  for (int round = 0; round < kRounds; ++round) keys_[round] = key.bits(number, static_cast<uint64_t>(round));
}

int64_t Permutation::operator()(int64_t index) const {
  auto cell = static_cast<uint64_t>(index);
  do {
    uint64_t row = cell / columns_, column = cell % columns_;
    for (int round = 0; round < kRounds; round += 2) {
      row = add_modulo(row, scale(mix(column ^ keys_[round]), rows_), rows_);
      column = add_modulo(column, scale(mix(row ^ keys_[round + 1]), columns_), columns_);
    }
    cell = row * columns_ + column;
  } while (cell >= size_);
  return static_cast<int64_t>(cell);
}

}  // namespace sextant::data
