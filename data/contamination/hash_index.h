#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sextant::data {

// From 64-bit hashes to what was entered under them, for many more questions than answers: a bitmap of 32
// bits an entry or more says no at once to all but a few. Entries that happen to share a hash come together.
class HashIndex {
 public:
  struct Entry {
    uint64_t hash = 0;
    uint32_t item = 0, needle = 0;
  };

  HashIndex() = default;
  explicit HashIndex(std::vector<Entry> entries);

  bool empty() const { return entries_.empty(); }
  // False for nearly every hash that was not entered.
  bool may_hold(uint64_t hash) const {
    uint64_t place = mixed(hash) >> shift_;
    return (bitmap_[place >> 6] >> (place & 63) & 1) != 0;
  }
  // The entries of this hash.
  std::span<const Entry> find(uint64_t hash) const;

 private:
  std::vector<Entry> entries_;  // by mixed hash
  std::vector<uint64_t> bitmap_;
  std::vector<uint32_t> begins_;  // for each value of the mixed hash's first bits its first entry; the end
  int shift_ = 0, begins_shift_ = 0;

  // Rolling hashes are good in their low bits only.
  static uint64_t mixed(uint64_t hash) { return (hash ^ hash >> 32) * 0xd6e8feb86659fd93ULL; }
};

}  // namespace sextant::data
