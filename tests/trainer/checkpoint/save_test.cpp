// What a save does when disks fill up, processes die and objects go early.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <mutex>
#include <thread>

#include "parallel/group_threads.h"
#include "tests/trainer/checkpoint/state.h"
#include "trainer/checkpoint/step_folder.h"

namespace sextant::trainer::testing::save_test {
namespace {

using Save = TemporaryFolder;

size_t entries_in(const fs::path& folder) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

// Rank 1 alone holds a tensor of `megabytes`; all hold a small one.
std::vector<StateTensor> lopsided_state(const parallel::Group& world, int64_t megabytes) {
  std::vector<StateTensor> state = cut_state({{"weights/small", {4}}}, Cut::kNone, 0, 1);
  int64_t count = megabytes << 18;
  bool here = world.rank() == Rank(1);
  state.push_back({"weights/large", {count}, {{0}, {here ? count : 0}}, at::ones({here ? count : 0})});
  return state;
}

// Saves a small checkpoint, then one too large for the place, then a small one again.
void expect_older_one_intact(const fs::path& folder, const std::string& reason,
                             const std::function<void()>& make_tight,
                             const std::function<void()>& make_wide) {
  std::mutex mutex;
  std::vector<std::string> messages;
  parallel::run_ranks(3, [&](parallel::Group& world) {
    CheckpointWriter writer(folder, world, {});
    writer.begin(header_of(1), lopsided_state(world, 0), {});
    writer.finish();
    world.barrier();
    if (world.rank() == Rank(0)) make_tight();
    world.barrier();
    writer.begin(header_of(2), lopsided_state(world, 3), {});
    try {
      while (writer.under_way()) writer.poll();
    } catch (const Error& error) {
      std::lock_guard lock(mutex);
      EXPECT_EQ(error.kind(), ErrorKind::kEnvironment);
      messages.emplace_back(error.what());
    }
    EXPECT_FALSE(writer.under_way());
    world.barrier();
    if (world.rank() == Rank(0)) {
      make_wide();
      EXPECT_EQ(published_steps(folder), (std::vector<int64_t>{1}));
      EXPECT_EQ(entries_in(folder), 1U) << "nothing of the failed save is left";
    }
    world.barrier();
    writer.begin(header_of(3), lopsided_state(world, 0), {});
    writer.finish();
  });
  ASSERT_EQ(messages.size(), 3U) << "every rank hears of it";
  EXPECT_EQ(messages[0], messages[1]);
  EXPECT_EQ(messages[0], messages[2]);
  for (const std::string& part :
       {std::string("step-00000002 could not be saved"), std::string("rank 1: "),
        std::string("rank-00001.safetensors"), std::string("can not write "), reason}) {
    EXPECT_NE(messages[0].find(part), std::string::npos) << "no '" << part << "' in " << messages[0];
  }
  EXPECT_EQ(CheckpointReader(folder / "step-00000001").verify(), std::vector<std::string>());
  EXPECT_EQ(CheckpointReader(folder / "step-00000003").verify(), std::vector<std::string>());
}

TEST_F(Save, AWriteThatFailsOnOneRankIsToldOnAll) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit tight{size_t{1} << 20, before.rlim_max};
  expect_older_one_intact(
      folder_, "File too large", [&] { ::setrlimit(RLIMIT_FSIZE, &tight); },
      [&] { ::setrlimit(RLIMIT_FSIZE, &before); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
}

TEST_F(Save, AFullDiskLeavesTheOlderCheckpoint) {
  fs::path disk = folder_ / "disk";
  fs::create_directory(disk);
  if (::mount("none", disk.c_str(), "tmpfs", 0, "size=2m") != 0) GTEST_SKIP() << "may not mount here";
  expect_older_one_intact(
      disk, "No space left on device", [] {}, [] {});
  ::umount2(disk.c_str(), MNT_DETACH);
}

TEST_F(Save, DestroyedUnderWayItIsNeverTaken) {
  parallel::run_ranks(2, [&](parallel::Group& world) {
    std::vector<StateTensor> state =
        cut_state({{"weights/large", {8, 1 << 20}}}, Cut::kDim0, world.rank().value(), 2);
    {
      CheckpointWriter writer(folder_, world, {});
      writer.begin(header_of(1), state, {});
      writer.finish();
      writer.begin(header_of(2), state, {});
    }
    EXPECT_EQ(newest_checkpoint(folder_), folder_ / "step-00000001");
    world.barrier();
    // The next run clears up.
    CheckpointWriter writer(folder_, world, {});
    EXPECT_EQ(entries_in(folder_), 1U);
    EXPECT_FALSE(writer.under_way());
    writer.poll();
    writer.finish();
  });
}

TEST_F(Save, BeginFinishesTheOneBefore) {
  parallel::run_ranks(2, [&](parallel::Group& world) {
    CheckpointWriter writer(folder_, world, {.keep_last = 3});
    for (int64_t step : {1, 2, 3}) {
      writer.begin(header_of(step),
                   cut_state(small_state(), Cut::kDim0, world.rank().value(), 2, double(step)), {});
    }
    writer.finish();
  });
  for (int64_t step : {1, 2, 3}) {
    expect_loads(CheckpointReader(folder_ / step_folder_name(step)),
                 cut_state(small_state(), Cut::kNone, 0, 1, double(step)));
  }
}

TEST_F(Save, RetentionRemovesAsItGoes) {
  parallel::run_ranks(2, [&](parallel::Group& world) {
    CheckpointWriter writer(folder_, world, {.keep_last = 2, .keep_every = 30});
    for (int64_t step = 10; step <= 70; step += 10) {
      writer.begin(header_of(step), cut_state(small_state(), Cut::kDim0, world.rank().value(), 2), {});
      writer.finish();
    }
  });
  EXPECT_EQ(published_steps(folder_), (std::vector<int64_t>{30, 60, 70}));
  EXPECT_EQ(entries_in(folder_), 3U) << "their bytes are gone as well";
}

TEST_F(Save, BoxesThatDoNotMakeAWholeAreRefused) {
  auto save = [&](std::vector<std::pair<int64_t, int64_t>> boxes) {
    auto alone = parallel::single_rank_group();
    CheckpointWriter writer(folder_, *alone, {});
    std::vector<StateTensor> state;
    for (auto [offset, count] : boxes)
      state.push_back({"weights/x", {8}, {{offset}, {count}}, at::ones({count})});
    writer.begin(header_of(1), state, {});
    writer.finish();
  };
  EXPECT_THROW(save({{0, 4}}), std::logic_error);
  EXPECT_THROW(save({{0, 4}, {3, 5}}), std::logic_error);
  EXPECT_THROW(save({{0, 4}, {3, 4}}), std::logic_error);
  EXPECT_NO_THROW(save({{0, 4}, {4, 4}}));
}

TEST_F(Save, SideFilesHaveNamesOfTheirOwn) {
  auto alone = parallel::single_rank_group();
  for (const char* name : {"../escaped", "manifest.pb", "rank-00000.safetensors", ".hidden", "a/b", ""}) {
    CheckpointWriter writer(folder_, *alone, {});
    EXPECT_THROW(writer.begin(header_of(1), cut_state(small_state(), Cut::kNone, 0, 1), {{name, "text"}}),
                 Error)
        << name;
  }
}

// A process killed at any moment leaves only whole checkpoints under published names.
TEST_F(Save, KilledAtAnyMoment) {
  for (int attempt = 0; attempt < 6; ++attempt) {
    pid_t child = ::fork();
    if (child == 0) {
      auto alone = parallel::single_rank_group();
      CheckpointWriter writer(folder_, *alone, {});
      for (int64_t step = attempt * 1000 + 1;; ++step) {
        writer.begin(header_of(step), cut_state({{"weights/x", {512, 512}}}, Cut::kNone, 0, 1),
                     {{"side.txt", "text"}});
        writer.finish();
      }
    }
    auto published_any = [&] {
      return newest_checkpoint(folder_) >= folder_ / step_folder_name(attempt * 1000 + 1);
    };
    for (int waits = 0; !published_any() && waits < 3000; ++waits) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    EXPECT_TRUE(published_any()) << "the child should have saved long ago";
    std::this_thread::sleep_for(std::chrono::milliseconds(7 * attempt));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    for (int64_t step : published_steps(folder_)) {
      EXPECT_EQ(CheckpointReader(folder_ / step_folder_name(step)).verify(), std::vector<std::string>());
    }
  }
}

}  // namespace
}  // namespace sextant::trainer::testing::save_test
