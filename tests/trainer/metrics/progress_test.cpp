#include "trainer/metrics/progress.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>

namespace sextant::trainer::progress_test {
namespace {

StepMetrics at_step(int64_t step) {
  StepMetrics metrics;
  metrics.step = step;
  metrics.loss = 3.21456;
  metrics.learning_rate = 3e-4;
  metrics.tokens_per_second = 12345;
  metrics.mfu = 0.412;
  metrics.memory_bytes = int64_t{1800} << 20;
  metrics.step_seconds = 2;
  return metrics;
}

// A pipe whose far end is read as text.
class Pipe {
 public:
  Pipe() { EXPECT_EQ(::pipe2(ends_, O_NONBLOCK), 0); }
  ~Pipe() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  int in() const { return ends_[1]; }
  std::string text() const {
    std::string all;
    char block[4096];
    for (ssize_t count; (count = ::read(ends_[0], block, sizeof(block))) > 0;)
      all.append(block, static_cast<size_t>(count));
    return all;
  }

 private:
  int ends_[2] = {-1, -1};
};

TEST(ProgressLine, ShowsEverythingWhereThereIsRoom) {
  StepMetrics metrics = at_step(120);
  metrics.valid_loss = 3.5;
  metrics.skipped = 2;
  EXPECT_EQ(progress_line(metrics, 1000, 192.4, 200),
            "step 120/1000  loss 3.2146  held-out 3.5000  skipped 2  lr 3.00e-04  12.3k tok/s  MFU 41.2 %  "
            "1.76 GiB  "
            "left 3m12s");
}

TEST(ProgressLine, NarrowTerminalsKeepWhatMatters) {
  StepMetrics metrics = at_step(120);
  EXPECT_EQ(progress_line(metrics, 1000, 192.4, 40), "step 120/1000  loss 3.2146  left 3m12s");
  EXPECT_EQ(progress_line(metrics, 1000, 192.4, 13), "step 120/1000");
  EXPECT_EQ(progress_line(metrics, 1000, 192.4, 4), "step");
  for (size_t columns = 0; columns < 120; ++columns) {
    EXPECT_LE(progress_line(metrics, 1000, 192.4, columns).size(), columns);
  }
}

TEST(ProgressLine, UnknownPeakHasNoMfu) {
  StepMetrics metrics = at_step(1);
  metrics.mfu = std::nan("");
  EXPECT_EQ(progress_line(metrics, 10, 5, 200).find("MFU"), std::string::npos);
}

TEST(ProgressText, DurationsCountsAndBytes) {
  EXPECT_EQ(duration_text(0), "0s");
  EXPECT_EQ(duration_text(59.4), "59s");
  EXPECT_EQ(duration_text(59.6), "1m00s");
  EXPECT_EQ(duration_text(3725), "1h02m");
  EXPECT_EQ(duration_text(200000), "2d07h");
  EXPECT_EQ(duration_text(std::nan("")), "?");
  EXPECT_EQ(count_text(999), "999");
  EXPECT_EQ(count_text(1.5e9), "1.5G");
  EXPECT_EQ(bytes_text(1023), "1023 B");
  EXPECT_EQ(bytes_text(int64_t{3} << 39), "1.50 TiB");
}

TEST(Progress, PlainLinesComeAtMultiplesAndAfterAWhile) {
  Pipe pipe;
  double now = 0;
  Progress progress(pipe.in(), ProgressStyle::kPlain, {.steps = 100, .log_every = 10, .at_least_every_s = 30},
                    [&] { return now; });
  progress.update(at_step(1));
  EXPECT_TRUE(pipe.text().starts_with("step 1/100  loss"));
  for (int64_t step = 2; step < 10; ++step) progress.update(at_step(step));
  EXPECT_EQ(pipe.text(), "");
  progress.update(at_step(10));
  EXPECT_TRUE(pipe.text().starts_with("step 10/100"));
  now = 31;
  progress.update(at_step(11));
  EXPECT_TRUE(pipe.text().starts_with("step 11/100"));
  StepMetrics measured = at_step(12);
  measured.valid_loss = 3.5;
  progress.update(measured);
  EXPECT_NE(pipe.text().find("held-out 3.5000"), std::string::npos);
  progress.note("a sample");
  EXPECT_EQ(pipe.text(), "a sample\n");
}

TEST(Progress, TimeLeftFollowsTheMeanStep) {
  Pipe pipe;
  Progress progress(pipe.in(), ProgressStyle::kPlain, {.steps = 100, .log_every = 1});
  StepMetrics metrics = at_step(50);
  progress.update(metrics);
  EXPECT_NE(pipe.text().find("left 1m40s"), std::string::npos);  // 50 steps of 2 s
  metrics.step = 51;
  metrics.step_seconds = 4;
  progress.update(metrics);
  EXPECT_NE(pipe.text().find("left 2m27s"), std::string::npos);  // 49 steps of 3 s
}

TEST(Progress, ARefreshedLineStaysOneLine) {
  Pipe pipe;
  double now = 0;
  {
    Progress progress(pipe.in(), ProgressStyle::kRefreshed, {.steps = 100, .refresh_every_s = 0.1},
                      [&] { return now; });
    progress.update(at_step(1));
    progress.update(at_step(2));  // too soon
    now = 1;
    progress.update(at_step(3));
    std::string text = pipe.text();
    EXPECT_EQ(text.find('\n'), std::string::npos);
    EXPECT_EQ(text.find("step 2/"), std::string::npos);
    EXPECT_NE(text.find("\rstep 3/100"), std::string::npos);
    progress.note("checkpoint saved\n");
    EXPECT_TRUE(pipe.text().starts_with("\r\33[Kcheckpoint saved\n\rstep 3/100"));
    progress.update(at_step(4));
  }
  std::string end = pipe.text();
  EXPECT_NE(end.find("step 4/100"), std::string::npos);
  EXPECT_TRUE(end.ends_with("\n"));
}

TEST(Progress, TheHeldOutLossStaysInSight) {
  Pipe pipe;
  Progress progress(pipe.in(), ProgressStyle::kRefreshed, {.steps = 100, .refresh_every_s = 0});
  StepMetrics measured = at_step(1);
  measured.valid_loss = 3.5;
  progress.update(measured);
  progress.update(at_step(2));
  EXPECT_NE(pipe.text().rfind("held-out 3.5000"), std::string::npos);
}

TEST(Progress, ATerminalThatWentAwayDoesNotEndTheRun) {
  Progress progress(-1, ProgressStyle::kPlain, {.steps = 100, .log_every = 1});
  progress.update(at_step(1));
  progress.note("still here");
}

TEST(ProgressStyleOf, TerminalsAreKnownByTheirWidth) {
  ::unsetenv("SEXTANT_TERMINAL_COLUMNS");
  ::setenv("TERM", "xterm", 1);
  Pipe pipe;
  EXPECT_EQ(progress_style(pipe.in()), ProgressStyle::kPlain);

  int controller = -1, terminal = -1;
  winsize size{.ws_row = 24, .ws_col = 57, .ws_xpixel = 0, .ws_ypixel = 0};
  ASSERT_EQ(::openpty(&controller, &terminal, nullptr, nullptr, &size), 0);
  EXPECT_EQ(progress_style(terminal), ProgressStyle::kRefreshed);
  EXPECT_EQ(terminal_columns(terminal), 57u);
  size.ws_col = 0;  // what mpirun gives to its ranks
  ASSERT_EQ(::ioctl(terminal, TIOCSWINSZ, &size), 0);
  EXPECT_EQ(progress_style(terminal), ProgressStyle::kPlain);
  EXPECT_EQ(terminal_columns(terminal), 80u);

  ::setenv("SEXTANT_TERMINAL_COLUMNS", "99", 1);
  EXPECT_EQ(progress_style(pipe.in()), ProgressStyle::kRefreshed);
  EXPECT_EQ(terminal_columns(pipe.in()), 99u);
  ::setenv("TERM", "dumb", 1);
  EXPECT_EQ(progress_style(pipe.in()), ProgressStyle::kPlain);
  ::unsetenv("SEXTANT_TERMINAL_COLUMNS");
  ::close(controller);
  ::close(terminal);
}

}  // namespace
}  // namespace sextant::trainer::progress_test
