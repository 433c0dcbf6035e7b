#include "trainer/evaluation/exam.h"

#include <gtest/gtest.h>

#include <cmath>

#include "trainer/config/complaint.h"

namespace sextant::trainer::exam_test {
namespace {

using nlohmann::ordered_json;

EvalSettings exam_of_two() {
  EvalSettings settings;
  settings.add_tasks()->set_name("choice");
  settings.add_tasks()->set_name("free");
  Exam* exam = settings.add_exams();
  exam->set_name("exam");
  ExamSection* first = exam->add_sections();
  first->set_task("choice");
  first->set_points(60);
  ExamSection* second = exam->add_sections();
  second->set_task("free");
  second->set_metric("score");
  second->set_points(40);
  return settings;
}

const char* kResults = R"([
  {"task": "choice", "metric": "acc", "value": 0.5, "stderr": 0.05, "n": 100},
  {"task": "choice", "group": "hard", "metric": "acc", "value": 0.1, "stderr": 0.1, "n": 10},
  {"task": "choice", "metric": "acc_norm", "value": 0.9, "stderr": 0.05, "n": 100},
  {"task": "free", "metric": "invalid", "value": 1, "stderr": 0, "n": 20},
  {"task": "free", "metric": "score", "value": 0.25, "stderr": 0.1, "n": 20}])";

TEST(Exam, SectionsAddUpToATotal) {
  ordered_json results = ordered_json::parse(kResults);
  add_exams(exam_of_two(), results);
  ASSERT_EQ(results.size(), 8u);
  EXPECT_EQ(results[5]["group"], "choice");
  EXPECT_EQ(results[5]["value"], 30) << "the task's first metric";
  EXPECT_EQ(results[5]["out_of"], 60);
  EXPECT_EQ(results[6]["value"], 10);
  const ordered_json& total = results[7];
  EXPECT_EQ(total["metric"], "total");
  EXPECT_EQ(total["value"], 40);
  EXPECT_EQ(total["out_of"], 100);
  EXPECT_EQ(total["n"], 120);
  EXPECT_NEAR(total["stderr"].get<double>(), std::hypot(60 * 0.05, 40 * 0.1), 1e-12);
  std::string table = exam_tables(results);
  EXPECT_NE(table.find("total                            40.00    100.00      5.00    0.40     120"),
            std::string::npos)
      << table;
}

TEST(Exam, AMetricThatIsNotThereGivesNoTotal) {
  EvalSettings settings = exam_of_two();
  settings.mutable_exams(0)->mutable_sections(1)->set_metric("acc");
  ordered_json results = ordered_json::parse(kResults);
  add_exams(settings, results);
  EXPECT_TRUE(results[6]["value"].is_null());
  EXPECT_TRUE(results[7]["value"].is_null());
  EXPECT_NE(exam_tables(results).find("free                                 -     40.00"), std::string::npos)
      << exam_tables(results);
}

TEST(Exam, ComplainsOfWhatDoesNotHoldTogether) {
  EXPECT_TRUE(exam_complaints(exam_of_two()).empty());
  EvalSettings settings = exam_of_two();
  settings.mutable_exams(0)->mutable_sections(0)->set_task("lost");
  settings.mutable_exams(0)->set_name("free");
  settings.add_exams()->set_name("empty");
  auto complaints = exam_complaints(settings);
  ASSERT_EQ(complaints.size(), 3u);
  EXPECT_EQ(complaints[0].key, "eval.exams.0.name");
  EXPECT_EQ(complaints[1].key, "eval.exams.0.sections.0.task");
  EXPECT_EQ(complaints[2].key, "eval.exams.1.sections");
}

}  // namespace
}  // namespace sextant::trainer::exam_test
