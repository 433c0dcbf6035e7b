#include "parallel/group_threads.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "parallel/base/error.h"
#include "tests/harness/seatings.h"
#include "tests/parallel/group_verbs.h"

namespace sextant::parallel::group_threads_test {
namespace {

std::shared_ptr<Watchdog> patient() {
  return std::make_shared<Watchdog>(60, memory_notice_board());
}

class ThreadVerbs : public testing::TestWithParam<VerbCheck> {};

TEST_P(ThreadVerbs, OnOneToFourRanks) {
  for (int64_t n : {1, 2, 3, 4}) run_ranks(n, GetParam().run, patient());
}

TEST_P(ThreadVerbs, InAGroupSplitOff) {
  run_ranks(4, [&](Group& world) {
    auto pair = world.split(neighbours(2), "pair");
    GetParam().run(*pair);
  });
}

TEST_P(ThreadVerbs, AloneWithoutThreads) {
  auto alone = single_rank_group();
  GetParam().run(*alone);
}

INSTANTIATE_TEST_SUITE_P(All, ThreadVerbs, testing::ValuesIn(verb_checks()),
                         [](const auto& check) { return std::string(check.param.name); });

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "no exception";
}

TEST(ThreadRanks, TheFirstExceptionComesOut) {
  auto failing = [](Group& world) {
    if (world.rank() == Rank(2)) throw std::runtime_error("rank two's own trouble");
    world.barrier();
  };
  EXPECT_EQ(message_of([&] { run_ranks(4, failing, patient()); }), "rank two's own trouble");
}

TEST(ThreadRanks, AFailedRankEndsTheOthersWaits) {
  std::atomic<int> poisoned = 0;
  auto body = [&](Group& world) {
    auto pair = world.split(neighbours(2), "pair");
    if (world.rank() == Rank(3)) throw std::runtime_error("disk full");
    try {
      if (world.rank() == Rank(2)) pair->barrier();  // waits for rank 3 itself
      world.barrier();
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("rank 3 has failed: disk full"), std::string::npos)
          << error.what();
      ++poisoned;
      throw;
    }
  };
  EXPECT_EQ(message_of([&] { run_ranks(4, body, patient()); }), "disk full");
  EXPECT_EQ(poisoned, 3);
}

TEST(ThreadRanks, ARankThatEndsEarlyIsNoticed) {
  auto body = [](Group& world) {
    if (world.rank() == Rank(1)) return;
    at::Tensor tensor = at::ones({2});
    world.all_reduce(tensor);
  };
  EXPECT_EQ(message_of([&] { run_ranks(3, body, patient()); }),
            "all_reduce #1 of group world can not end: rank 1 has ended without calling it");
}

TEST(ThreadRanks, DifferentCallsAreTold) {
  auto body = [](Group& world) {
    at::Tensor tensor = at::ones({2 + world.rank().value()});
    world.all_reduce(tensor);
  };
  std::string message = message_of([&] { run_ranks(2, body, patient()); });
  EXPECT_NE(message.find("rank 0 calls all_reduce [2] Float"), std::string::npos) << message;
  EXPECT_NE(message.find("rank 1 calls all_reduce [3] Float"), std::string::npos) << message;
}

TEST(ThreadRanks, SumsAreTakenInTheOrderOfRanks) {
  // (1e8 + 1) - 1e8 in fp32 is 0, any other order gives 1.
  const std::vector<float> values = {1e8f, 1.0f, -1e8f};
  for (int repeat = 0; repeat < 5; ++repeat) {
    run_ranks(3, [&](Group& world) {
      auto late = std::chrono::milliseconds((world.rank().value() + repeat) % 3 * 5);
      std::this_thread::sleep_for(late);
      at::Tensor tensor = at::full({1}, values[static_cast<size_t>(world.rank().value())], at::kFloat);
      world.all_reduce(tensor);
      EXPECT_EQ(tensor.item<float>(), 0.0f);
    });
  }
}

TEST(ThreadRanks, AWorkNobodyWaitedForHarmsNobody) {
  run_ranks(2, [](Group& world) {
    { auto forgotten = world.all_reduce_async(at::ones({10}), Reduce::kSum); }
    at::Tensor tensor = at::ones({1});
    world.all_reduce(tensor);
    EXPECT_EQ(tensor.item<float>(), 2.0f);
  });
}

}  // namespace
}  // namespace sextant::parallel::group_threads_test
