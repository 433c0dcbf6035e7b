#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <regex>
#include <set>

#include "tests/house/source_files.h"

// Compilers get cmake/precompiled.h before every source of some rooms, so a source could live on its includes
// without a word, until it is compiled without. Here the text says who includes what he uses.
namespace {

using namespace sextant::house;

struct Use {
  std::regex name;  // in the code
  std::regex from;  // of a header that gives it
};

const std::string kAten = "^(ATen|torch|c10)/";
// These bring most of the standard library's containers along; whoever includes one of them has not lived on
// the precompiled header.
const std::string kLibraries =
    "|^(ATen|torch|c10|fmt|nlohmann|CLI|google|yaml-cpp|gtest)/|[.]pb[.]h$|^mpi[.]h$";

const std::vector<Use>& uses() {
  auto standard = [](const char* names, const char* header) {
    return Use{std::regex(fmt::format("std::({})\\b", names)),
               std::regex(fmt::format("^{}${}", header, kLibraries))};
  };
  static const std::vector<Use> kUses{
      {std::regex("\\bat::"), std::regex(kAten)},
      {std::regex("\\btorch::autograd"), std::regex("^torch/")},
      {std::regex("\\bfmt::"), std::regex("^fmt/")},
      standard("function|invoke", "functional"),
      standard("unique_ptr|shared_ptr|make_unique|make_shared", "memory"),
      standard("string", "(string|filesystem|fstream|sstream)"),
      standard("vector", "(vector|functional)"),
      standard(
          "sort|stable_sort|min|max|min_element|max_element|find|find_if|any_of|all_of|none_of|count_if|copy|"
          "fill|transform|reverse|lower_bound|upper_bound|nth_element|adjacent_find|clamp",
          "(algorithm|regex|functional|random)"),
  };
  return kUses;
}

using Files = std::map<std::string, SourceFile>;

std::string without_comment(const std::string& line) {
  return line.substr(0, line.find("//"));
}

// The headers that a file includes, itself and through headers of ours.
void add_includes(const Files& files, const SourceFile& file, std::set<std::string>& found) {
  static const std::regex directive(R"re(^\s*#\s*include\s*["<]([^">]+)[">])re");
  for (const std::string& line : file.lines) {
    std::smatch match;
    if (!std::regex_search(line, match, directive) || !found.insert(match[1]).second) continue;
    if (auto ours = files.find(match[1]); ours != files.end()) add_includes(files, ours->second, found);
  }
}

std::vector<std::string> borrowed(const Files& files, const SourceFile& file) {
  std::set<std::string> included;
  add_includes(files, file, included);
  std::vector<std::string> faults;
  for (const Use& use : uses()) {
    bool given = std::any_of(included.begin(), included.end(),
                             [&](const std::string& name) { return std::regex_search(name, use.from); });
    if (given) continue;
    for (size_t i = 0; i < file.lines.size(); ++i) {
      std::smatch match;
      std::string code = without_comment(file.lines[i]);
      if (!std::regex_search(code, match, use.name)) continue;
      faults.push_back(fmt::format("{}:{}: {} comes from the precompiled header alone; include what gives it",
                                   file.name, i + 1, match.str()));
      break;
    }
  }
  return faults;
}

Files library() {
  Files files;
  for (SourceFile& file : library_files()) {
    if (!file.name.ends_with(".proto")) files.emplace(file.name, file);
  }
  return files;
}

TEST(Precompiled, NobodyLivesOnItAlone) {
  Files files = library();
  std::vector<std::string> faults;
  for (const auto& [name, file] : files) {
    for (std::string& fault : borrowed(files, file)) faults.push_back(std::move(fault));
  }
  EXPECT_TRUE(faults.empty()) << fmt::format("{}", fmt::join(faults, "\n"));
}

TEST(Precompiled, BorrowersAreFound) {
  Files files = library();
  SourceFile bad{"trainer/x.cpp",
                 {"#include <cmath>", "// at::Tensor in a comment", "at::Tensor x;",
                  "std::function<void()> f;", "fmt::format(1);", "int y = std::max(1, 2);"}};
  EXPECT_EQ(borrowed(files, bad).size(), 4U);
  bad.lines[0] = "#include <ATen/ATen.h>";
  EXPECT_EQ(borrowed(files, bad),
            std::vector<std::string>{
                "trainer/x.cpp:5: fmt:: comes from the precompiled header alone; include what gives it"});
  bad.lines[0] = "#include \"trainer/model/parameter.h\"";
  EXPECT_EQ(borrowed(files, bad).size(), 1U) << "through a header of ours";
}

}  // namespace
