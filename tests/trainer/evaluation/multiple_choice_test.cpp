#include "trainer/evaluation/multiple_choice.h"

#include <gtest/gtest.h>

#include "tests/harness/golden.h"
#include "trainer/evaluation/calibration.h"

namespace sextant::trainer::multiple_choice_test {
namespace {

TEST(MultipleChoice, GradesAreLmEvaluationHarness) {
  auto file = golden::load("evaluation.json");  // not in the loop: its temporaries would be gone
  ASSERT_GT(file["choices"].size(), 5u);
  for (const auto& item : file["choices"]) {
    auto gold = golden::integers(item["gold"]);
    ChoiceGrade grade =
        grade_choice(golden::numbers(item["log_likelihoods"]), golden::integers(item["characters"]), gold);
    EXPECT_EQ(grade.acc, item["acc"].get<double>());
    EXPECT_EQ(grade.acc_norm, item["acc_norm"].get<double>());
    EXPECT_NEAR(grade.mc2, item["mc2"].get<double>(), 1e-12);
    EXPECT_NEAR(brier_score(grade.probabilities, gold[0]), item["brier"].get<double>(), 1e-12);
    for (size_t i = 0; i < grade.probabilities.size(); ++i)
      EXPECT_NEAR(grade.probabilities[i], item["probabilities"][i].get<double>(), 1e-12);
  }
}

TEST(MultipleChoice, TheFirstOfEqualsAndFarAwayScores) {
  ChoiceGrade grade = grade_choice({-3000, -3000, -3001}, {1, 1, 0}, {1});
  EXPECT_EQ(grade.answer, 0);
  EXPECT_EQ(grade.acc, 0);
  EXPECT_NEAR(grade.probabilities[0], 1 / (2 + std::exp(-1.0)), 1e-12) << "no underflow";
  EXPECT_EQ(characters_in("h\xc3\xa9\xff"), 3) << "two characters, and a byte that is none";
}

}  // namespace
}  // namespace sextant::trainer::multiple_choice_test
