#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <regex>
#include <string>
#include <vector>

#include "tests/house/source_files.h"

// What keeps the house in order: who may include whom, and how long a file may be.
namespace {

using namespace sextant::house;

constexpr size_t kLongestLine = 110, kLongestFile = 400;
// A field of a message stands with its bounds and its documentation: breaking the sentence helps nobody.
constexpr size_t kLongestMessageLine = 140;

size_t room_number(const std::string& name) {
  return static_cast<size_t>(std::find(kRooms.begin(), kRooms.end(), name) - kRooms.begin());
}

std::vector<SourceFile> all_files() {
  std::vector<SourceFile> all = library_files();
  for (SourceFile& file : read_folder("tests")) all.push_back(std::move(file));
  return all;
}

// Each fault as "file:line: what".
std::vector<std::string> include_faults(const SourceFile& file) {
  static const std::regex directive(R"re(^\s*(?:#\s*include|import)\s*["<]([^">]+)[">])re");
  std::vector<std::string> faults;
  for (size_t i = 0; i < file.lines.size(); ++i) {
    std::smatch found;
    if (!std::regex_search(file.lines[i], found, directive)) continue;
    std::string included = found[1];
    size_t theirs = room_number(included.substr(0, included.find('/')));
    if (included.rfind("tests/", 0) == 0) {
      faults.push_back(fmt::format("{}:{}: library code includes a test, {}", file.name, i + 1, included));
    } else if (included.rfind("..", 0) == 0 || included.find("/../") != std::string::npos) {
      faults.push_back(
          fmt::format("{}:{}: include {} from the root of the checkout", file.name, i + 1, included));
    } else if (included.find('/') != std::string::npos && theirs < kRooms.size() &&
               theirs > room_number(file.room())) {
      faults.push_back(
          fmt::format("{}:{}: {} lies to the right of {}", file.name, i + 1, included, file.room()));
    }
  }
  return faults;
}

std::vector<std::string> length_faults(const SourceFile& file) {
  std::vector<std::string> faults;
  if (file.lines.size() > kLongestFile) {
    faults.push_back(fmt::format("{}: {} lines, more than {}: split it by ideas", file.name,
                                 file.lines.size(), kLongestFile));
  }
  bool is_message = file.name.ends_with(".proto");
  size_t longest = is_message ? kLongestMessageLine : kLongestLine;
  for (size_t i = 0; i < file.lines.size(); ++i) {
    const std::string& line = file.lines[i];
    // Characters, not bytes.
    auto columns = static_cast<size_t>(
        std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xC0) != 0x80; }));
    if (columns > longest) {
      faults.push_back(fmt::format("{}:{}: {} columns, more than {}", file.name, i + 1, columns, longest));
    }
  }
  return faults;
}

std::vector<std::string> name_faults(const SourceFile& file) {
  std::vector<std::string> faults;
  for (const char* word : {"utils", "util.", "helper", "common", "manager"}) {
    if (file.name.find(word) != std::string::npos) {
      faults.push_back(fmt::format("{}: '{}' is no idea; name the file by what is in it", file.name, word));
    }
  }
  return faults;
}

template <class Check>
void expect_none(const std::vector<SourceFile>& files, Check check) {
  std::vector<std::string> faults;
  for (const SourceFile& file : files) {
    for (std::string& fault : check(file)) faults.push_back(std::move(fault));
  }
  EXPECT_TRUE(faults.empty()) << fmt::format("{}", fmt::join(faults, "\n"));
}

TEST(House, TheRoomsAreThere) {
  EXPECT_GT(library_files().size(), 20u);
  for (const char* room : {"parallel", "data", "trainer", "launch"})
    EXPECT_FALSE(read_folder(room).empty()) << room;
}

TEST(House, NobodyIncludesToTheRight) {
  expect_none(library_files(), include_faults);
}

TEST(House, FilesAreNamedAfterIdeas) {
  expect_none(all_files(), name_faults);
}

TEST(House, FilesAndLinesAreShort) {
  expect_none(all_files(), length_faults);
}

// The checks themselves can fail.
TEST(House, FaultsAreFound) {
  SourceFile bad{"data/some_helper.cpp",
                 {"#include \"parallel/group.h\"", "#include \"trainer/run.pb.h\"",
                  "import \"launch/x.proto\";", "#include <vector>", "#include \"../parallel/group.h\"",
                  "#include \"tests/near.h\"", "#  include \"rlhf/rubric.h\"", std::string(111, 'x')}};
  auto includes = include_faults(bad);
  ASSERT_EQ(includes.size(), 5u);
  EXPECT_EQ(includes[0], "data/some_helper.cpp:2: trainer/run.pb.h lies to the right of data");
  EXPECT_EQ(length_faults(bad),
            std::vector<std::string>{"data/some_helper.cpp:8: 111 columns, more than 110"});
  EXPECT_EQ(name_faults(bad).size(), 1u);
  bad.lines.assign(401, "");
  EXPECT_EQ(length_faults(bad).size(), 1u);
  bad.lines = {std::string(110, 'x'), std::string(109, 'x') + "\xC3\xA9"};
  EXPECT_TRUE(length_faults(bad).empty());
}

}  // namespace
