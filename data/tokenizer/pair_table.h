#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace sextant::data {

// A map from a pair of token ids (never negative) to a small value: open addressing in one array, so that a
// look-up costs about one cache miss. Pairs are never removed.
template <class Value>
class PairTable {
 public:
  explicit PairTable(size_t expected = 0) { grow_to(slots_for(expected)); }

  // The value of a pair, or null.
  const Value* find(int32_t left, int32_t right) const {
    uint64_t key = key_of(left, right);
    for (size_t at = home(key);; at = (at + 1) & mask_) {
      if (slots_[at].key == key) return &slots_[at].value;
      if (slots_[at].key == kFree) return nullptr;
    }
  }

  // The value of a pair, put there first if absent; the flag says whether it was absent. The reference lasts
  // until the next insertion.
  std::pair<Value&, bool> insert(int32_t left, int32_t right, const Value& value) {
    if ((count_ + 1) * 2 > slots_.size()) grow_to(slots_.size() * 2);
    Slot& slot = place(key_of(left, right));
    if (slot.key != kFree) return {slot.value, false};
    slot = {key_of(left, right), value};
    ++count_;
    return {slot.value, true};
  }

  size_t size() const { return count_; }

 private:
  static constexpr uint64_t kFree = ~uint64_t{0};
  struct Slot {
    uint64_t key = kFree;
    Value value{};
  };

  static uint64_t key_of(int32_t left, int32_t right) {
    return (static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32) | static_cast<uint32_t>(right);
  }
  static size_t slots_for(size_t expected) {
    size_t slots = 16;
    while (slots < expected * 2 + 2) slots *= 2;
    return slots;
  }
  // Multiplicative hashing: the high bits are the mixed ones.
  size_t home(uint64_t key) const {
    key ^= key >> 29;
    return static_cast<size_t>((key * 0x9e3779b97f4a7c15ULL) >> shift_);
  }
  Slot& place(uint64_t key) {
    size_t at = home(key);
    while (slots_[at].key != kFree && slots_[at].key != key) at = (at + 1) & mask_;
    return slots_[at];
  }
  void grow_to(size_t slots) {
    std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots));
    mask_ = slots - 1;
    shift_ = 64;
    for (size_t n = slots; n > 1; n /= 2) --shift_;
    for (const Slot& slot : old) {
      if (slot.key != kFree) place(slot.key) = slot;
    }
  }

  std::vector<Slot> slots_;
  size_t mask_ = 0;
  int shift_ = 64;
  size_t count_ = 0;
};

}  // namespace sextant::data
