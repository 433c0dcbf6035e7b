#include "trainer/generation/sampling.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/harness/golden.h"

namespace sextant::trainer::sampling_test {
namespace {

TEST(Sampling, FiltersAgreeWithGoldenValues) {
  auto file = golden::load("sampling.json");
  auto logits = golden::numbers(file["logits"]);
  ASSERT_FALSE(file["cases"].empty());
  for (const auto& entry : file["cases"]) {
    SamplingSettings settings{entry.at("temperature"), entry.at("top_k"), entry.at("top_p")};
    auto kept = candidates(logits, settings);
    std::sort(kept.begin(), kept.end(), [](const Candidate& a, const Candidate& b) { return a.id < b.id; });
    auto ids = golden::integers(entry["ids"]);
    auto probabilities = golden::numbers(entry["probabilities"]);
    ASSERT_EQ(kept.size(), ids.size()) << entry.dump();
    for (size_t i = 0; i < ids.size(); ++i) {
      EXPECT_EQ(kept[i].id, ids[i]);
      EXPECT_NEAR(kept[i].probability, probabilities[i], 1e-12);
    }
  }
}

TEST(Sampling, ZeroTemperatureTakesTheFirstOfTheLikeliest) {
  EXPECT_EQ(candidates({1.0, 3.0, 3.0, 2.0}, {0.0, 0, 1.0})[0].id, 1);
}

TEST(Sampling, CutsByShareWithoutSortingTheWholeVocabulary) {
  std::vector<double> logits(5000);
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = std::sin(static_cast<double>(i) * 0.7) * 2;
  auto all = candidates(logits, {1.0, 5000, 1.0});
  for (double top_p : {0.001, 0.3, 0.9}) {
    auto kept = candidates(logits, {1.0, 0, top_p});
    double share = 0;
    for (size_t i = 0; i < kept.size(); ++i) {
      EXPECT_EQ(kept[i].id, all[i].id);
      if (i + 1 < kept.size()) share += all[i].probability;
    }
    EXPECT_LT(share, top_p) << "one fewer does not reach it";
    EXPECT_GE(share + all[kept.size() - 1].probability, top_p - 1e-12);
  }
}

TEST(Sampling, ChooseDrawsWhatTheCandidatesSay) {
  std::vector<float> logits{0.5F, 2.0F, -1.0F, 2.0F, 0.0F};
  std::vector<double> wide(logits.begin(), logits.end());
  EXPECT_EQ(choose(logits.data(), 5, {0.0, 0, 1.0}, 0.3), 1) << "the first of the likeliest";
  SamplingSettings cut{0.8, 3, 1.0};
  for (double uniform : {0.0, 0.2, 0.5, 0.8, 0.99}) {
    EXPECT_EQ(choose(logits.data(), 5, cut, uniform), draw(candidates(wide, cut), uniform));
  }
  // Nothing cut off: shares lie in the order of ids.
  auto all = candidates(wide, {1.0, 0, 1.0});
  std::sort(all.begin(), all.end(), [](const Candidate& a, const Candidate& b) { return a.id < b.id; });
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(choose(logits.data(), 5, {1.0, 0, 1.0}, i / 20.0), draw(all, i / 20.0));
  }
}

TEST(Sampling, DrawFollowsTheProbabilities) {
  std::vector<Candidate> two{{7, 0.25}, {3, 0.75}};
  EXPECT_EQ(draw(two, 0.0), 7);
  EXPECT_EQ(draw(two, 0.2499), 7);
  EXPECT_EQ(draw(two, 0.25), 3);
  EXPECT_EQ(draw(two, std::nextafter(1.0, 0.0)), 3);
}

}  // namespace
}  // namespace sextant::trainer::sampling_test
