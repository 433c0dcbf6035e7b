#include "parallel/watchdog.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "parallel/base/error.h"
#include "parallel/group_threads.h"
#include "tests/harness/seatings.h"

namespace sextant::parallel::watchdog_test {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

class Folder : public testing::Test {
 protected:
  Folder() {
    auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::path(testing::TempDir()) / fmt::format("sextant_{}_{}", test->name(), getpid());
  }
  ~Folder() override { fs::remove_all(folder_); }
  fs::path folder_;
};

using NoticeBoards = Folder;
using Watch = Folder;

// Long enough that a busy machine, which may leave a thread out for a second, lets every rank leave its word
// (after half of it) before the first rank's deadline is over.
constexpr double kDeadline = 4;

// Holds a rank back until another has told of it.
class Told {
 public:
  Watchdog::OnHang on_hang() {
    return [this](const std::string&) { told_ = true; };
  }
  void wait() const {
    while (!told_) std::this_thread::sleep_for(milliseconds(20));
  }

 private:
  std::atomic<bool> told_ = false;
};

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

TEST_F(NoticeBoards, AFolderCarriesWordBetweenProcesses) {
  auto mine = folder_notice_board(folder_ / "deep" / "er", Rank(0));
  auto other = folder_notice_board(folder_ / "deep" / "er", Rank(1));
  EXPECT_FALSE(mine->read(Rank(1)).has_value());
  other->post(Rank(1), "first");
  other->post(Rank(1), "waits in barrier #7 of group world");
  EXPECT_EQ(mine->read(Rank(1)), "waits in barrier #7 of group world");
  EXPECT_FALSE(mine->read(Rank(0)).has_value());

  auto restarted = folder_notice_board(folder_ / "deep" / "er", Rank(1));
  EXPECT_FALSE(mine->read(Rank(1)).has_value()) << "a new run must not read the last one's word";
}

TEST_F(NoticeBoards, OneRankSpeaksForAll) {
  auto a = folder_notice_board(folder_, Rank(0)), b = folder_notice_board(folder_, Rank(1));
  EXPECT_TRUE(a->claim_report());
  EXPECT_FALSE(b->claim_report());
  EXPECT_FALSE(a->claim_report());
}

TEST_F(NoticeBoards, AFolderThatCanNotBeMadeIsNamed) {
  fs::create_directories(folder_);
  std::ofstream(folder_ / "file") << "in the way";
  try {
    folder_notice_board(folder_ / "file" / "inside", Rank(0));
    FAIL() << "must throw";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find((folder_ / "file" / "inside").string()), std::string::npos);
    EXPECT_EQ(error.kind(), ErrorKind::kEnvironment);
  }
}

TEST_F(NoticeBoards, ALostFolderHarmsNobody) {
  auto board = folder_notice_board(folder_, Rank(0));
  fs::remove_all(folder_);
  board->post(Rank(0), "into the void");
  EXPECT_FALSE(board->read(Rank(0)).has_value());
  EXPECT_TRUE(board->claim_report()) << "where ranks can not agree, each reports";
}

TEST_F(NoticeBoards, ACrashNoteHoldsTheText) {
  auto path = write_crash_note(folder_ / "crashes", Rank(3), "out of memory");
  ASSERT_TRUE(path.has_value());
  EXPECT_EQ(*path, folder_ / "crashes" / "crash-rank-3.txt");
  EXPECT_EQ(text_of(*path), "out of memory\n");
  EXPECT_FALSE(write_crash_note("/dev/null/x", Rank(3), "text").has_value());
}

TEST_F(Watch, NamesVerbGroupSequenceAndTheMissingRank) {
  Told told;
  auto watchdog = std::make_shared<Watchdog>(kDeadline, memory_notice_board(), told.on_hang());
  std::string first;
  auto body = [&](Group& world) {
    world.barrier();
    if (world.rank() == Rank(2)) told.wait();
    at::Tensor tensor = at::ones({1});
    world.all_reduce(tensor);
  };
  try {
    run_ranks(4, body, watchdog);
    FAIL() << "must throw";
  } catch (const Error& error) {
    first = error.what();
    EXPECT_EQ(error.kind(), ErrorKind::kEnvironment);
  }
  EXPECT_NE(first.find("all_reduce #2 of group world has not ended after 4 s"), std::string::npos) << first;
  EXPECT_NE(first.find("missing ranks: 2\n"), std::string::npos) << first;
  EXPECT_NE(first.find("waiting ranks: 0 1 3"), std::string::npos) << first;
}

TEST_F(Watch, TellsWhatTheMissingRankWaitsIn) {
  auto watchdog = std::make_shared<Watchdog>(kDeadline, memory_notice_board());
  std::string message;
  auto body = [&](Group& world) {
    auto pair = world.split(neighbours(2), "pair");
    at::Tensor tensor = at::ones({1});
    // Rank 1 takes the wrong turn.
    if (world.rank() == Rank(1)) world.all_reduce(tensor);
    std::this_thread::sleep_for(milliseconds(50));
    pair->all_reduce(tensor);
    world.all_reduce(tensor);
  };
  try {
    run_ranks(4, body, watchdog);
  } catch (const Error& error) {
    message = error.what();
  }
  bool by_rank_0 = message.find("rank 1 waits in all_reduce #2 of group world") != std::string::npos;
  bool by_the_others = message.find("rank 0 waits in all_reduce #1 of group pair") != std::string::npos;
  EXPECT_TRUE(by_rank_0 || by_the_others) << message;
}

TEST_F(Watch, NamesThePeerOfAReceive) {
  Told told;
  auto watchdog = std::make_shared<Watchdog>(1, memory_notice_board(), told.on_hang());
  auto body = [&](Group& world) {
    at::Tensor tensor = at::ones({1});
    if (world.rank() == Rank(0)) world.recv(tensor, Rank(2));
    if (world.rank() == Rank(2)) told.wait();
  };
  try {
    run_ranks(3, body, watchdog);
    FAIL() << "must throw";
  } catch (const Error& error) {
    std::string text = error.what();
    EXPECT_NE(text.find("recv #1 from rank 2 of group world"), std::string::npos) << text;
    EXPECT_NE(text.find("missing ranks: 2\n"), std::string::npos) << text;
  }
}

TEST_F(Watch, GivesTheReportToOnHangOnce) {
  std::atomic<int> reports = 0;
  auto watchdog =
      std::make_shared<Watchdog>(0.3, memory_notice_board(), [&](const std::string&) { ++reports; });
  auto body = [&](Group& world) {
    if (world.rank() == Rank(0)) {
      while (reports == 0) std::this_thread::sleep_for(milliseconds(20));
      return;
    }
    world.barrier();
  };
  EXPECT_THROW(run_ranks(2, body, watchdog), Error);
  EXPECT_EQ(reports, 1);
}

TEST_F(Watch, ARankThatWentOnTakesItsWordBack) {
  auto board = memory_notice_board();
  Watchdog watchdog(kDeadline, board);
  Members members{"data", Rank(0), {Rank(5), Rank(6)}};
  {
    Vigil vigil(watchdog, members, {"all_gather", 9, std::nullopt});
    std::this_thread::sleep_for(milliseconds(2050));
    vigil.check();
    EXPECT_EQ(board->read(Rank(5)), "waits in all_gather #9 of group data");
  }
  EXPECT_EQ(board->read(Rank(5)), "went on after all_gather #9 of group data");
}

TEST_F(Watch, WithoutABoardItSaysSo) {
  Watchdog watchdog(0.01);
  Members members{"world", Rank(0), {Rank(0), Rank(1)}};
  Vigil vigil(watchdog, members, {"barrier", 1, std::nullopt});
  std::this_thread::sleep_for(milliseconds(15));
  EXPECT_THROW(vigil.check(), Error);
  EXPECT_NE(vigil.report().find("no notice board"), std::string::npos);
}

}  // namespace
}  // namespace sextant::parallel::watchdog_test
