#include "trainer/generation/sampling.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/harness/golden.h"

namespace sextant::trainer {
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

TEST(Sampling, DrawFollowsTheProbabilities) {
  std::vector<Candidate> two{{7, 0.25}, {3, 0.75}};
  EXPECT_EQ(draw(two, 0.0), 7);
  EXPECT_EQ(draw(two, 0.2499), 7);
  EXPECT_EQ(draw(two, 0.25), 3);
  EXPECT_EQ(draw(two, std::nextafter(1.0, 0.0)), 3);
}

}  // namespace
}  // namespace sextant::trainer
