#include "data/contamination/hash_index.h"

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

#include "parallel/base/error.h"

namespace sextant::data {
namespace {

constexpr int kFewestBits = 16, kMostBits = 33;  // of a place in the bitmap: 8 KiB to 1 GiB
constexpr int kEntryBits = 5;                    // 32 places an entry

int bits_for(size_t entries) {
  int bits = kFewestBits;
  while (bits < kMostBits && (size_t{1} << bits) < entries << kEntryBits) ++bits;
  return bits;
}

}  // namespace

HashIndex::HashIndex(std::vector<Entry> entries) : entries_(std::move(entries)) {
  expect(entries_.size() < std::numeric_limits<uint32_t>::max(), "entries are numbered in 32 bits");
  std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
    return std::make_tuple(mixed(a.hash), a.item, a.needle) <
           std::make_tuple(mixed(b.hash), b.item, b.needle);
  });
  int bits = bits_for(entries_.size());
  shift_ = 64 - bits;
  begins_shift_ = shift_ + kEntryBits;
  bitmap_.assign((size_t{1} << bits) / 64, 0);
  begins_.assign((size_t{1} << (bits - kEntryBits)) + 1, static_cast<uint32_t>(entries_.size()));
  for (size_t i = entries_.size(); i-- > 0;) {
    uint64_t hash = mixed(entries_[i].hash);
    bitmap_[hash >> shift_ >> 6] |= uint64_t{1} << (hash >> shift_ & 63);
    begins_[hash >> begins_shift_] = static_cast<uint32_t>(i);
  }
  // What none of the entries begins with begins where the next one does.
  for (size_t i = begins_.size() - 1; i-- > 0;) begins_[i] = std::min(begins_[i], begins_[i + 1]);
}

std::span<const HashIndex::Entry> HashIndex::find(uint64_t hash) const {
  size_t bucket = mixed(hash) >> begins_shift_;
  size_t first = begins_[bucket], end = begins_[bucket + 1];
  while (first < end && entries_[first].hash != hash) ++first;
  size_t last = first;
  while (last < end && entries_[last].hash == hash) ++last;
  return {entries_.data() + first, entries_.data() + last};
}

}  // namespace sextant::data
