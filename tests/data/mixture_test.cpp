#include "data/mixture.h"

#include <gtest/gtest.h>

#include <limits>
#include <map>

#include "tests/data/scratch_folder.h"

namespace sextant::data::mixture_test {
namespace {

Mixture mixture(const std::vector<double>& weights, Order order = Order::kShuffled, uint64_t seed = 1) {
  std::vector<Mixture::Source> sources;
  for (double weight : weights) sources.push_back({"corpus-" + std::to_string(sources.size()), weight});
  return Mixture(sources, order, RandomKey(seed, "test"));
}

TEST(Mixture, SharesSlotsByLargestRemainder) {
  EXPECT_EQ(mixture({1, 1, 1}).counts(), (std::vector<int64_t>{3334, 3333, 3333}));
  EXPECT_EQ(mixture({0.7, 0.2, 0.1}).counts(), (std::vector<int64_t>{7000, 2000, 1000}));
  EXPECT_EQ(mixture({1, 2}).counts(), (std::vector<int64_t>{3333, 6667}));
  EXPECT_EQ(mixture({9999, 1}).counts(), (std::vector<int64_t>{9999, 1}));
}

// Over whole blocks each corpus gives its share, and its rows come in order with none left out.
TEST(Mixture, CountsEachCorpusThrough) {
  for (Order order : {Order::kShuffled, Order::kCorpus}) {
    Mixture mixed = mixture({5, 3, 0.01}, order);
    std::vector<int64_t> next(3, 0);
    for (int64_t sample = 0; sample < 3 * Mixture::kBlock; ++sample) {
      Mixture::Place place = mixed.at(sample);
      ASSERT_EQ(place.index, next[static_cast<size_t>(place.corpus)]++);
    }
    for (size_t c = 0; c < 3; ++c) EXPECT_EQ(next[c], 3 * mixed.counts()[c]);
  }
}

TEST(Mixture, IsAPureFunctionOfTheSample) {
  Mixture forward = mixture({2, 1}), backward = mixture({2, 1});
  std::vector<Mixture::Place> places;
  for (int64_t sample = 0; sample < 25000; ++sample) places.push_back(forward.at(sample));
  for (int64_t sample = 24999; sample >= 0; sample -= 7) {
    ASSERT_EQ(backward.at(sample), places[static_cast<size_t>(sample)]);
  }
}

TEST(Mixture, SpreadsEvenlyWithoutShuffling) {
  Mixture mixed = mixture({3, 1}, Order::kCorpus);
  for (int64_t begin = 0; begin < 2 * Mixture::kBlock; begin += 4) {
    int64_t ones = 0;
    for (int64_t i = 0; i < 4; ++i) ones += mixed.at(begin + i).corpus;
    ASSERT_EQ(ones, 1);
  }
}

TEST(Mixture, ShufflesEachBlockAnew) {
  Mixture mixed = mixture({1, 1}), other = mixture({1, 1}, Order::kShuffled, 2);
  // Block by block: going back and forth would lay each block anew.
  std::vector<int64_t> first, second, third;
  for (int64_t i = 0; i < Mixture::kBlock; ++i) first.push_back(mixed.at(i).corpus);
  for (int64_t i = 0; i < Mixture::kBlock; ++i) second.push_back(mixed.at(i + Mixture::kBlock).corpus);
  for (int64_t i = 0; i < Mixture::kBlock; ++i) third.push_back(other.at(i).corpus);
  int same_block = 0, same_seed = 0;
  for (size_t i = 0; i < first.size(); ++i) {
    same_block += first[i] == second[i] ? 1 : 0;
    same_seed += first[i] == third[i] ? 1 : 0;
  }
  EXPECT_NEAR(same_block, 5000, 250);  // five standard deviations
  EXPECT_NEAR(same_seed, 5000, 250);
}

TEST(Mixture, OneCorpusKeepsItsOrder) {
  Mixture mixed = mixture({0.3});
  for (int64_t sample : {int64_t{0}, int64_t{12345}, int64_t{1} << 50}) {
    EXPECT_EQ(mixed.at(sample), (Mixture::Place{0, sample}));
  }
}

TEST(Mixture, RefusesWeightsThatSayNothing) {
  expect_has(message_of([] { mixture({1, 1e-6}); }), "corpus-1: weight 1e-06 is less than one row in 10000");
  expect_has(message_of([] { mixture({1, 0}); }), "corpus-1: weight 0");
  expect_has(message_of([] { mixture({-1, 1}); }), "corpus-0: weight -1");
  expect_has(message_of([] {
               mixture({std::numeric_limits<double>::infinity(), 1});
             }),
             "corpus-0: weight inf");
}

}  // namespace
}  // namespace sextant::data::mixture_test
