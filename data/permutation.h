#pragma once

#include <array>
#include <cstdint>

#include "parallel/base/seed.h"

namespace sextant::data {

// A shuffle of [0, size) without a table: a keyed bijection computed on the fly. A Feistel network over the
// smallest near-square grid that holds `size` cells (Black and Rogaway 2002, "Ciphers with Arbitrary Finite
// Domains"); the few cells beyond are walked through until one inside comes.
class Permutation {
 public:
  // `number` picks one of a key's shuffles, such as the epoch. size > 0.
  Permutation(int64_t size, const RandomKey& key, uint64_t number);

  // Where `index` goes, both in [0, size).
  int64_t operator()(int64_t index) const;

 private:
  static constexpr int kRounds = 12;
  uint64_t size_, rows_, columns_;
  std::array<uint64_t, kRounds> keys_{};
};

}  // namespace sextant::data
