#include "trainer/host_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <vector>

namespace sextant::trainer::host_memory_test {
namespace {

constexpr size_t kMega = 1 << 20;

TEST(HostMemory, AlignsAndUsesFreedPlacesAgain) {
  HostMemory memory(64 * kMega);
  auto first = memory.allocate(3 * kMega), second = memory.allocate(kMega);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(first.get()) % 64, 0U);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(second.get()) % 64, 0U);
  void* place = first.get();
  size_t highest = memory.highest_bytes();
  first.clear();
  auto smaller = memory.allocate(kMega), rest = memory.allocate(kMega);
  EXPECT_EQ(smaller.get(), place);
  EXPECT_EQ(memory.highest_bytes(), highest) << "both fit into the freed place";
}

// A page that was given back reads as zeros when it is next touched. (What mincore says of it is no proof: a
// kernel may put a huge page there of its own accord.)
TEST(HostMemory, GivesPagesOfFreePlacesBack) {
  HostMemory memory(64 * kMega);
  auto kept = memory.allocate(8 * kMega), freed = memory.allocate(8 * kMega);
  std::memset(kept.get(), 1, 8 * kMega);
  std::memset(freed.get(), 1, 8 * kMega);
  void* place = freed.get();
  freed.clear();
  memory.give_pages_back();
  auto again = memory.allocate(8 * kMega);
  ASSERT_EQ(again.get(), place);
  auto* now = static_cast<char*>(again.get());
  EXPECT_EQ(std::count(now, now + 8 * kMega, 0), 8 * kMega);
  auto* still = static_cast<char*>(kept.get());
  EXPECT_EQ(std::count(still, still + 8 * kMega, 1), 8 * kMega);
  std::memset(again.get(), 2, 8 * kMega);
}

TEST(HostMemory, JoinsFreedNeighbours) {
  HostMemory memory(64 * kMega);
  std::vector<c10::DataPtr> blocks;
  for (int i = 0; i < 4; ++i) blocks.push_back(memory.allocate(kMega));
  void* place = blocks[0].get();
  size_t highest = memory.highest_bytes();
  blocks[0].clear();
  blocks[2].clear();
  blocks[1].clear();  // joins both sides
  auto large = memory.allocate(3 * kMega);
  EXPECT_EQ(large.get(), place);
  EXPECT_EQ(memory.highest_bytes(), highest);
}

TEST(HostMemory, GoesToTheLibraryWhenFullOrSmall) {
  HostMemory memory(2 * kMega);
  auto large = memory.allocate(5 * kMega), small = memory.allocate(100), none = memory.allocate(0);
  std::memset(large.get(), 1, 5 * kMega);
  std::memset(small.get(), 1, 100);
  EXPECT_EQ(none.get(), nullptr);
  EXPECT_EQ(memory.highest_bytes(), 0U);
}

TEST(HostMemory, ManyThreadsKeepTheirNumbers) {
  HostMemory memory(256 * kMega);
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (size_t round = 0; round < 200; ++round) {
        size_t bytes = (64 << 10) * (1 + (round * 7 + static_cast<size_t>(t)) % 13);
        auto block = memory.allocate(bytes);
        std::memset(block.get(), t, bytes);
        std::this_thread::yield();
        const auto* data = static_cast<const char*>(block.get());
        wrong[static_cast<size_t>(t)] += data[0] != t || data[bytes - 1] != t;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (int each : wrong) EXPECT_EQ(each, 0);
}

}  // namespace
}  // namespace sextant::trainer::host_memory_test
