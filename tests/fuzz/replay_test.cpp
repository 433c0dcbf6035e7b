#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

#include "parallel/base/seed.h"
#include "tests/fuzz/allocation.h"
#include "tests/fuzz/target.h"
#include "tests/harness/checkout.h"

// The stored corpus, and seeded changes of it, through every parser: no crash, no exception but Error, no
// outsized allocation. libFuzzer (tests/fuzz/run.sh) finds new inputs; what it found stays here.
namespace sextant::fuzz::replay_test {
namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<uint8_t>;

std::vector<fs::path> corpus(const Target& target) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(harness::checkout() / "tests/fuzz/corpus" / target.name))
    files.push_back(entry.path());
  std::ranges::sort(files);
  return files;
}

Bytes read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void expect_harmless(const Target& target, const Bytes& bytes, const std::string& origin) {
  try {
    AllocationMeter meter;
    run(target.name, bytes);
    AllocationMeter::check(bytes.size());
  } catch (const std::exception& error) {
    ADD_FAILURE() << origin << ": " << error.what();
  }
}

// A change that files suffer or attackers make, chosen by three random words.
Bytes changed(Bytes bytes, const RandomKey& key, uint64_t round) {
  if (bytes.empty()) return bytes;
  auto number = [&](uint64_t word, uint64_t limit) { return key.below(limit, round, word); };
  auto at = static_cast<ptrdiff_t>(number(0, bytes.size()));
  auto length =
      static_cast<ptrdiff_t>(number(1, std::min<uint64_t>(bytes.size() - static_cast<size_t>(at), 64)));
  switch (number(2, 6)) {
    case 0:
      bytes[static_cast<size_t>(at)] ^= static_cast<uint8_t>(1U << number(3, 8));
      break;
    case 1:
      bytes[static_cast<size_t>(at)] = static_cast<uint8_t>(number(3, 256));
      break;
    case 2:
      bytes.resize(static_cast<size_t>(at));
      break;
    case 3:
      bytes.erase(bytes.begin() + at, bytes.begin() + at + length);
      break;
    case 4: {
      Bytes part(bytes.begin() + at, bytes.begin() + at + length);
      bytes.insert(bytes.begin() + at, part.begin(), part.end());
      break;
    }
    default:  // a number of eight bytes, huge
      for (size_t i = 0; i < 8 && static_cast<size_t>(at) + i < bytes.size(); ++i)
        bytes[static_cast<size_t>(at) + i] = i == 7 ? static_cast<uint8_t>(number(3, 256)) : 0xff;
  }
  return bytes;
}

class Replay : public ::testing::TestWithParam<Target> {};

TEST_P(Replay, StoredCorpusIsHarmless) {
  auto files = corpus(GetParam());
  ASSERT_GE(files.size(), 3U);
  run(GetParam().name, {});  // what is made once in a program's life is not the file's doing
  expect_harmless(GetParam(), {}, "nothing");
  for (const fs::path& file : files) {
    run(GetParam().name, read(file));
    expect_harmless(GetParam(), read(file), file.string());
  }
}

TEST_P(Replay, ChangedCorpusIsHarmless) {
  constexpr uint64_t kChanges = 1500;
  auto files = corpus(GetParam());
  for (uint64_t i = 0; i < kChanges && !HasFailure(); ++i) {
    const fs::path& file = files[i % files.size()];
    RandomKey key(1, fmt::format("change {}", file.filename().string()));
    Bytes bytes = changed(read(file), key, i);
    if (i % 3 == 0) bytes = changed(bytes, key, i + kChanges);
    expect_harmless(GetParam(), bytes, fmt::format("{}, change {}", file.string(), i));
  }
}

// A file as long as wanted: a part that is repeated, behind a head.
struct Pattern {
  Bytes head, part;

  Bytes grown(size_t size) const {
    Bytes bytes = head;
    while (bytes.size() < size) bytes.insert(bytes.end(), part.begin(), part.end());
    return bytes;
  }
};

std::vector<Pattern> patterns(const Target& target) {
  std::vector<Pattern> result;
  auto add = [&](std::string_view head, std::string_view part) {
    result.push_back({{head.begin(), head.end()}, {part.begin(), part.end()}});
  };
  for (std::string_view part : {"[", "[],", "{\"a\":", "\xff", " ", "- ", "\n"}) add("", part);
  add("", std::string_view("\0", 1));
  // Lists that a JSON file is read with, deep and long.
  for (std::string_view key : {"eos_token_id", "architectures", "weight_map", "model"}) {
    for (std::string_view part : {"[", "0,", "[],", "{},"}) add(fmt::format("{{\"{}\":[", key), part);
  }
  for (const fs::path& file : corpus(target)) {
    Bytes bytes = read(file);
    if (!bytes.empty()) result.push_back({{}, bytes});
  }
  return result;
}

// A megabyte, so that what grows with the file shows beside what no file changes; less, for formats that
// refuse so much.
TEST_P(Replay, LargeFilesAreHarmless) {
  auto all = patterns(GetParam());
  for (size_t i = 0; i < all.size(); ++i) {
    for (size_t bytes : {size_t{60} << 10, (size_t{1} << 20) - 64})
      expect_harmless(GetParam(), all[i].grown(bytes), fmt::format("pattern {}, {} bytes", i, bytes));
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Replay, ::testing::ValuesIn(targets().begin(), targets().end()),
                         [](const auto& entry) { return std::string(entry.param.name); });

TEST(AllocationMeter, SeesAnOutsizedAllocation) {
  AllocationMeter meter;
  Bytes large(size_t{8} << 20);
  EXPECT_NO_THROW(AllocationMeter::check(size_t{1} << 20));
  EXPECT_THROW(AllocationMeter::check(size_t{100} << 10), std::length_error);
  large[0] = 1;
}

TEST(AllocationMeter, SeesManySmallAllocations) {
  AllocationMeter meter;
  std::vector<Bytes> parts(1000, Bytes(10000));
  EXPECT_THROW(AllocationMeter::check(1000), std::length_error);
}

}  // namespace
}  // namespace sextant::fuzz::replay_test
