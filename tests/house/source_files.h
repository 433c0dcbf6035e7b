#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/harness/checkout.h"

// The sources of the checkout as text, for the tests that keep the house in order.
namespace sextant::house {

inline const std::vector<std::string> kRooms = {"parallel", "data", "trainer", "rlhf",
                                                "launch"};  // from left to right

struct SourceFile {
  std::string name;  // from the checkout: "parallel/mesh.cpp"
  std::vector<std::string> lines;

  std::string room() const { return name.substr(0, name.find('/')); }
};

inline std::vector<SourceFile> read_folder(const std::string& folder) {
  std::vector<SourceFile> files;
  std::filesystem::path root = harness::checkout();
  if (!std::filesystem::exists(root / folder)) return files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root / folder)) {
    std::string kind = entry.path().extension();
    bool is_source = kind == ".h" || kind == ".cpp" || kind == ".cu" || kind == ".cuh" || kind == ".proto";
    if (!entry.is_regular_file() || !is_source) continue;
    SourceFile file{std::filesystem::relative(entry.path(), root).generic_string(), {}};
    std::ifstream text(entry.path());
    for (std::string line; std::getline(text, line);) file.lines.push_back(line);
    files.push_back(std::move(file));
  }
  return files;
}

inline std::vector<SourceFile> library_files() {
  std::vector<SourceFile> all;
  for (const std::string& room : kRooms) {
    for (SourceFile& file : read_folder(room)) all.push_back(std::move(file));
  }
  return all;
}

}  // namespace sextant::house
