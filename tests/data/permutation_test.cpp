#include "data/permutation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>
#include <vector>

namespace sextant::data::permutation_test {
namespace {

std::vector<int64_t> shuffled(int64_t size, uint64_t seed, uint64_t number = 0) {
  Permutation permutation(size, RandomKey(seed, "test"), number);
  std::vector<int64_t> out;
  for (int64_t i = 0; i < size; ++i) out.push_back(permutation(i));
  return out;
}

TEST(Permutation, IsABijection) {
  for (int64_t size :
       {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 16, 17, 63, 64, 65, 99, 100, 101, 1000, 4095, 4096, 4097, 65537}) {
    std::vector<int64_t> out = shuffled(size, 3);
    std::vector<char> seen(static_cast<size_t>(size), 0);
    for (int64_t value : out) {
      ASSERT_GE(value, 0);
      ASSERT_LT(value, size);
      ASSERT_FALSE(seen[static_cast<size_t>(value)]++) << "size " << size;
    }
  }
}

TEST(Permutation, DiffersByKeyAndByNumber) {
  EXPECT_EQ(shuffled(1000, 1), shuffled(1000, 1));
  EXPECT_NE(shuffled(1000, 1), shuffled(1000, 2));
  EXPECT_NE(shuffled(1000, 1, 0), shuffled(1000, 1, 1));
}

// The order is part of what a checkpoint relies on: it must not change between versions.
TEST(Permutation, KeepsItsOrder) {
  EXPECT_EQ(shuffled(10, 7), (std::vector<int64_t>{2, 3, 4, 5, 1, 6, 9, 8, 0, 7}));
}

TEST(Permutation, WorksForTheLargestCorpora) {
  int64_t size = (int64_t{1} << 53) + 12345;
  Permutation permutation(size, RandomKey(1, "test"), 0);
  std::set<int64_t> seen;
  double sum = 0;
  for (int64_t i = 0; i < 10000; ++i) {
    int64_t value = permutation(size - 1 - i);
    ASSERT_GE(value, 0);
    ASSERT_LT(value, size);
    seen.insert(value);
    sum += static_cast<double>(value) / static_cast<double>(size);
  }
  EXPECT_EQ(seen.size(), 10000u);
  EXPECT_NEAR(sum / 10000, 0.5, 5 * std::sqrt(1.0 / 12 / 10000));  // five standard errors
}

// All 24 orders of four things, over 24,000 keys: chi-square with 23 degrees of freedom; 60 has p = 4e-5.
TEST(Permutation, ReachesEveryOrderEquallyOften) {
  std::map<std::vector<int64_t>, int> times;
  for (uint64_t seed = 0; seed < 24000; ++seed) ++times[shuffled(4, seed)];
  EXPECT_EQ(times.size(), 24u);
  double chi = 0;
  for (const auto& [order, count] : times) chi += (count - 1000.0) * (count - 1000.0) / 1000.0;
  EXPECT_LT(chi, 60);
}

// Where index i goes, over keys, in 10 x 10 bins of a size that is no square: 81 degrees of freedom; 140 has
// p = 5e-5.
TEST(Permutation, SendsEveryIndexAnywhere) {
  constexpr int64_t kSize = 1010, kBins = 10;
  std::vector<double> table(kBins * kBins, 0);
  for (uint64_t seed = 0; seed < 100; ++seed) {
    std::vector<int64_t> out = shuffled(kSize, seed);
    for (int64_t i = 0; i < kSize; ++i) {
      ++table[static_cast<size_t>(i * kBins / kSize * kBins + out[static_cast<size_t>(i)] * kBins / kSize)];
    }
  }
  double chi = 0, expected = 100.0 * kSize / (kBins * kBins);
  for (double count : table) chi += (count - expected) * (count - expected) / expected;
  EXPECT_LT(chi, 140);
}

// Neighbours do not stay neighbours: the share of steps of one equals that of a random order, 2 / size.
TEST(Permutation, SeparatesNeighbours) {
  int steps = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    std::vector<int64_t> out = shuffled(1000, seed);
    for (size_t i = 1; i < out.size(); ++i) steps += std::abs(out[i] - out[i - 1]) == 1 ? 1 : 0;
  }
  EXPECT_NEAR(steps, 200, 5 * std::sqrt(200.0));
}

}  // namespace
}  // namespace sextant::data::permutation_test
