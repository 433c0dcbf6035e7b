#include "data/contamination/scores.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/data/scratch_folder.h"

namespace sextant::data::scores_test {
namespace {

TEST(ContaminationScores, WithAndWithout) {
  ScratchFolder folder;
  auto samples = folder.write(
      "samples.jsonl",
      "{\"task\": \"t\", \"index\": 0, \"grade\": true}\n{\"task\": \"t\", \"index\": 1, \"grade\": 0.5}\n"
      "{\"task\": \"t\", \"index\": 1, \"grade\": 0}\n{\"task\": \"u\", \"index\": 77, \"grade\": 1}\n"
      "{\"task\": \"t\", \"index\": 2, \"grade\": 0}\n");
  ContaminationScores scores = read_scores(samples, "t", "", {true, false, false});
  EXPECT_EQ(scores.all.items, 3);
  EXPECT_DOUBLE_EQ(scores.all.mean, (1 + 0.25 + 0) / 3);
  EXPECT_DOUBLE_EQ(scores.clean.mean, 0.125);
  EXPECT_NEAR(scores.clean.standard_error, 0.125,
              1e-15);  // both 0.125 from their mean, n - 1 = 1; one rounding
  EXPECT_EQ(scores.contaminated.items, 1);
  EXPECT_DOUBLE_EQ(scores.contaminated.mean, 1);
  EXPECT_TRUE(scores.clean_is_lower());
  EXPECT_FALSE(read_scores(samples, "t", "", {false, false, true}).clean_is_lower());
  EXPECT_FALSE(read_scores(samples, "t", "", {true, true, true}).clean_is_lower())
      << "nothing is left to tell";
}

TEST(ContaminationScores, GradesByMetric) {
  ScratchFolder folder;
  auto samples = folder.write("samples.jsonl",
                              "{\"index\": 0, \"grade\": {\"f1\": 0.5, \"acc\": 1}}\n"
                              "{\"index\": 1, \"grade\": {\"f1\": 0.25, \"acc\": false}}\n");
  EXPECT_EQ(read_scores(samples, "", "", {false, false}).metric, "f1");
  EXPECT_DOUBLE_EQ(read_scores(samples, "", "", {false, false}).all.mean, 0.375);
  EXPECT_DOUBLE_EQ(read_scores(samples, "", "acc", {false, true}).clean.mean, 1);
  expect_has(message_of([&] { read_scores(samples, "", "bleu", {false, true}); }), "has no bleu");
}

TEST(ContaminationScores, FaultsAreNamedWithTheirLine) {
  ScratchFolder folder;
  auto write = [&](const char* text) { return folder.write("s.jsonl", text); };
  auto fault = [&](const char* text) {
    return message_of([&] { read_scores(write(text), "", "", {false, true}); });
  };
  expect_has(fault("{\"index\": 0, \"grade\": 1}\n{\"index\": 2, \"grade\": 1}\n"),
             "s.jsonl:2: index 2 is not among the eval's 2");
  expect_has(fault("{\"grade\": 1}\n"), "no \"index\"");
  expect_has(fault("{\"index\": -1, \"grade\": 1}\n"), "no \"index\"");
  expect_has(fault("{\"index\": 0, \"grade\": \"C\"}\n"), "no \"grade\"");
  expect_has(fault("7\n"), "no JSON object");
  expect_has(fault("\n"), "holds no records");
}

}  // namespace
}  // namespace sextant::data::scores_test
