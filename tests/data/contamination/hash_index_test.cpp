#include "data/contamination/hash_index.h"

#include <gtest/gtest.h>

#include "parallel/base/seed.h"

namespace sextant::data::hash_index_test {
namespace {

TEST(HashIndex, HoldsWhatWasEnteredAndLittleElse) {
  RandomKey random(1, "hash index");
  std::vector<HashIndex::Entry> entries;
  constexpr uint32_t kEntries = 50000;
  for (uint32_t i = 0; i < kEntries; ++i) entries.push_back({random.bits(0, i / 2), i, 7});
  HashIndex index(entries);
  for (uint32_t i = 0; i < kEntries; i += 2) {
    uint64_t hash = random.bits(0, i / 2);
    ASSERT_TRUE(index.may_hold(hash));
    auto found = index.find(hash);
    ASSERT_EQ(found.size(), 2u);
    EXPECT_EQ(found[0].item, i);
    EXPECT_EQ(found[1].item, i + 1);
  }
  int64_t guesses = 0;
  for (uint32_t i = 0; i < kEntries; ++i) {
    uint64_t other = random.bits(1, i);
    EXPECT_TRUE(index.find(other).empty());
    guesses += index.may_hold(other) ? 1 : 0;
  }
  EXPECT_LT(guesses, kEntries / 16) << "32 bits an entry or more, of which one is set";
}

}  // namespace
}  // namespace sextant::data::hash_index_test
