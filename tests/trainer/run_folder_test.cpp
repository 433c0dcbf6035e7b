#include "trainer/run_folder.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <optional>

#include "parallel/base/error.h"
#include "parallel/group_threads.h"

namespace sextant::trainer::run_folder_test {
namespace {

namespace fs = std::filesystem;

class RunFolderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "run_folder_XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::optional<Error> error_of_opening(const fs::path& folder) {
    auto alone = parallel::single_rank_group();
    try {
      RunFolder run(folder, *alone, 0);
    } catch (const Error& error) {
      return error;
    }
    return std::nullopt;
  }

  fs::path folder_;
};

TEST_F(RunFolderTest, IsCreatedAndHeldUntilItEnds) {
  auto alone = parallel::single_rank_group();
  {
    RunFolder run(folder_ / "runs" / "one", *alone);
    EXPECT_TRUE(fs::is_directory(run.path()));
    EXPECT_EQ(run.checkpoints(), folder_ / "runs/one/checkpoints");
    std::optional<Error> error = error_of_opening(folder_ / "runs" / "one");
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->kind(), ErrorKind::kInput);
    std::string text = error->what();
    for (const std::string& part :
         {std::string("runs/one is in use by pid "), std::to_string(::getpid()), std::string(" on host "),
          std::string(" UTC, still after 0 s; stop it, or give run.folder=")}) {
      EXPECT_NE(text.find(part), std::string::npos) << text;
    }
  }
  EXPECT_FALSE(error_of_opening(folder_ / "runs" / "one").has_value());
}

TEST_F(RunFolderTest, AJobThatWasKilledHoldsNothing) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  pid_t child = ::fork();
  if (child == 0) {
    auto alone = parallel::single_rank_group();
    RunFolder run(folder_, *alone);
    [[maybe_unused]] ssize_t told = ::write(ready[1], "x", 1);
    ::pause();
    ::_exit(0);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  std::optional<Error> error = error_of_opening(folder_);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(ready[0]);
  ::close(ready[1]);
  ASSERT_TRUE(error.has_value());
  EXPECT_NE(std::string(error->what()).find("pid " + std::to_string(child)), std::string::npos)
      << error->what();
  EXPECT_FALSE(error_of_opening(folder_).has_value());
}

TEST_F(RunFolderTest, WaitsForAJobThatIsJustEnding) {
  auto alone = parallel::single_rank_group();
  auto ending = std::make_unique<RunFolder>(folder_, *alone);
  std::thread end([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    ending.reset();
  });
  EXPECT_NO_THROW(RunFolder(folder_, *alone, 10));
  end.join();
}

TEST_F(RunFolderTest, EveryRankLearnsThatItIsTaken) {
  auto alone = parallel::single_rank_group();
  RunFolder run(folder_, *alone);
  std::atomic<int> refused = 0;
  parallel::run_ranks(3, [&](parallel::Group& world) {
    try {
      RunFolder second(folder_, world, 0);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::kInput) ++refused;
    }
  });
  EXPECT_EQ(refused, 3);
}

TEST_F(RunFolderTest, APlaceThatIsNoFolderIsNamed) {
  { std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen((folder_ / "file").c_str(), "w"), std::fclose); }
  std::optional<Error> error = error_of_opening(folder_ / "file" / "run");
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->kind(), ErrorKind::kEnvironment);
  EXPECT_NE(std::string(error->what()).find("Not a directory"), std::string::npos) << error->what();
}

}  // namespace
}  // namespace sextant::trainer::run_folder_test
