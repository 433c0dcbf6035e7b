#include "trainer/scaling/task_prediction.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/data/scratch_folder.h"
#include "tests/harness/golden.h"
#include "trainer/config/load.h"

namespace sextant::trainer::task_prediction_test {
namespace {

using data::expect_has;
using data::message_of;

std::vector<LossAndAccuracy> golden_course(const golden::Json& entry) {
  std::vector<double> loss = golden::numbers(entry.at("loss")),
                      accuracy = golden::numbers(entry.at("accuracy"));
  std::vector<LossAndAccuracy> course;
  for (size_t i = 0; i < loss.size(); ++i) course.push_back({loss[i], accuracy[i]});
  return course;
}

TEST(Sigmoid, FindsTheSquaresThatScipyFinds) {
  golden::Json golden = golden::load("scaling.json");
  for (const char* name : {"sigmoid", "sigmoid_at_bound"}) {
    SCOPED_TRACE(name);
    const golden::Json& entry = golden.at(name);
    std::vector<LossAndAccuracy> course = golden_course(entry);
    Sigmoid fitted = fit_sigmoid(course, entry.at("chance").get<double>());
    course.push_back({0, 1});
    Expansion e;
    SigmoidSquares(course).expand({fitted.height, fitted.middle, fitted.slope, fitted.floor}, e);
    double squares = entry.at("half_squares").get<double>();
    // curve_fit keeps off its bounds by a little: ours may be lower.
    EXPECT_NEAR(e.value, squares, 1e-9 * squares);
    std::vector<double> at = golden::numbers(entry.at("at"));
    EXPECT_NEAR(fitted.height, at[0], 1e-4);
    EXPECT_NEAR(fitted.middle, at[1], 1e-4);
    EXPECT_NEAR(fitted.slope, at[2], 1e-3);
    EXPECT_NEAR(fitted.floor, at[3], 1e-5);
  }
}

TEST(Sigmoid, GradientIsTheDifferenceQuotient) {
  std::vector<LossAndAccuracy> points = {{0.5, 0.9}, {0.8, 0.6}, {1.3, 0.3}};
  SigmoidSquares squares(points);
  Parameters at = {-0.7, 0.85, 5, 0.97};
  Expansion here, above, below;
  squares.expand(at, here);
  for (size_t i = 0; i < 4; ++i) {
    Parameters up = at, down = at;
    up[i] += 1e-6;
    down[i] -= 1e-6;
    squares.expand(up, above);
    squares.expand(down, below);
    EXPECT_NEAR(here.gradient[i], (above.value - below.value) / 2e-6, 1e-9) << i;
  }
}

TEST(TaskLogs, MovingAverageByHand) {
  EXPECT_EQ(moving_average({3, 5, 10, 12}, 3), (std::vector<double>{3, 4, 6, 9}));
  EXPECT_EQ(moving_average({3, 5}, 1), (std::vector<double>{3, 5}));
  EXPECT_TRUE(moving_average({}, 4).empty());
}

// A ladder whose runs follow one law of loss and one sigmoid exactly.
class TaskLadderTest : public ::testing::Test {
 protected:
  static double loss(double n, double d) {
    return 0.5 + std::exp(3 - 0.3 * std::log(n)) + std::exp(5 - 0.25 * std::log(d));
  }
  static double accuracy(double loss) { return Sigmoid{-0.7, 0.9, 6, 0.99}.at(loss); }

  // Checkpoints with one value, so that averages change nothing.
  std::string log(double n, double d) const {
    std::string text = "step,batch,bpb,acc,other\n";
    for (int i = 1; i <= 6; ++i) {
      text += fmt::format("{},{},{:.17g},{:.17g},x\n", i * 100, d / 600, loss(n, d), accuracy(loss(n, d)));
    }
    return text;
  }

  TaskLadder ladder(const std::string& more = "") {
    std::string yaml =
        fmt::format("logs_folder: '{}'\nstep_column: step\nbatch_tokens_column: batch\nruns:\n",
                    (folder_ / ".").string());
    int count = 0;
    for (double n : {1e8, 2e8, 4e8}) {
      for (double d : {2e9, 8e9, 3e10}) {
        std::string name = fmt::format("r{}.csv", count++);
        folder_.write(name, log(n, d));
        yaml += fmt::format("  - {{file: {}, parameters: {}}}\n", name, n);
      }
    }
    folder_.write("big.csv", log(5e9, 1e12));
    yaml += "  - {file: big.csv, parameters: 5e9, use: predict}\n";
    yaml +=
        "tasks:\n  - {name: t, loss: [bpb], accuracy: [{column: acc, weight: 2}, {column: acc, weight: "
        "1}]}\n" +
        more;
    TaskLadder message;
    load_config_text(yaml, "ladder.yaml", {}, message, nullptr);
    return message;
  }

  data::ScratchFolder folder_;
};

TEST_F(TaskLadderTest, PredictsWhatFollowsTheLawsExactly) {
  std::vector<TaskFit> fits = predict_tasks(ladder());
  ASSERT_EQ(fits.size(), 1u);
  ASSERT_EQ(fits[0].predictions.size(), 1u);
  const TaskPrediction& big = fits[0].predictions[0];
  EXPECT_DOUBLE_EQ(big.tokens, 1e12);
  EXPECT_NEAR(big.actual.loss, loss(5e9, 1e12), 1e-14);
  EXPECT_NEAR(big.loss, loss(5e9, 1e12), 1e-5);  // extrapolated: the objective's 1e-16 is that far here
  EXPECT_LT(fits[0].fit_error, 1e-6);
  // The extra point (0, 1) pulls the sigmoid by some thousandths.
  EXPECT_NEAR(big.accuracy, accuracy(big.loss), 5e-3);
  EXPECT_DOUBLE_EQ(big.accuracy, fits[0].sigmoid.at(big.loss));
  EXPECT_DOUBLE_EQ(big.accuracy_from_loss, fits[0].sigmoid.at(big.actual.loss));
}

TEST_F(TaskLadderTest, ReadsALog) {
  TaskLadder one = ladder();
  folder_.write(
      "r0.csv",
      "step,batch,bpb,acc,throughput/total_tokens\n1,7,9,0.1,10\n2,7,8,0.2,20\n3,7,2,0.3,30\n4,7,4,0.5,40\n");
  one.set_smooth(2);
  one.set_skip_share(0.3);  // two of four
  TaskHistory history = read_task_log(one, one.runs(0), one.tasks(0));
  EXPECT_EQ(history.tokens, 40);  // the column of tokens comes before steps
  EXPECT_DOUBLE_EQ(history.final.loss, 3);
  EXPECT_DOUBLE_EQ(history.final.accuracy, 0.4);
  ASSERT_EQ(history.course.size(), 2u);
  EXPECT_DOUBLE_EQ(history.course[0].loss, 2);
  EXPECT_DOUBLE_EQ(history.course[1].loss, 3);
}

TEST_F(TaskLadderTest, Refusals) {
  TaskLadder one = ladder();
  one.mutable_tasks(0)->mutable_loss(0)->set_column("bpc");
  expect_has(message_of([&] { predict_tasks(one); }), "no column \"bpc\"; did you mean \"bpb\"?");
  one = ladder();
  folder_.write("r3.csv", "step,batch,bpb,acc\n");
  expect_has(message_of([&] { predict_tasks(one); }), "r3.csv: it has no checkpoints");
  folder_.write("r3.csv", "step,batch,bpb,acc\n100,5,nan,0.5\n");
  expect_has(message_of([&] { predict_tasks(one); }), "r3.csv:2: column \"bpb\"");
  folder_.write("r3.csv", "step,batch,bpb,acc\n100,5,-1,0.5\n");
  expect_has(message_of([&] { predict_tasks(one); }), "r3.csv:2: the loss of t is not above 0");
}

TEST_F(TaskLadderTest, ComplaintsAcrossFields) {
  TaskLadder empty;
  auto text = complaints_text(task_ladder_complaints(empty), Origins("l.yaml"));
  expect_has(text, "0 of them are fitted to");
  expect_has(text, "none is predicted");
  expect_has(text, "there is none; name one");
  TaskLadder good = ladder();
  EXPECT_TRUE(task_ladder_complaints(good).empty());
  good.mutable_tasks(0)->clear_accuracy();
  EXPECT_EQ(task_ladder_complaints(good).size(), 1u);
}

}  // namespace
}  // namespace sextant::trainer::task_prediction_test
