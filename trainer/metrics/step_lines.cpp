#include "trainer/metrics/step_lines.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "data/durable_file.h"

namespace sextant::trainer {
namespace {

using nlohmann::json;

// The step that a line belongs to; none for a line that is not a whole record.
std::optional<int64_t> step_of(const std::string& line) {
  json record = json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!record.is_object()) return std::nullopt;
  auto step = record.find("step");
  if (step == record.end() || !step->is_number_integer()) return std::nullopt;
  return step->get<int64_t>();
}

}  // namespace

// Copies what stays into a new file and swaps it in, unless everything stays.
StepLinesRepair repair_step_lines(const std::filesystem::path& path, int64_t resume_step) {
  StepLinesRepair repair;
  std::ifstream old(path, std::ios::binary);
  if (!old) return repair;
  data::DurableFile kept(path);
  bool torn_end = false;
  for (std::string line; std::getline(old, line);) {
    torn_end = old.eof();  // the last line has no newline
    std::optional<int64_t> step = step_of(line);
    if (!step) {
      ++repair.damaged_lines;
    } else if (*step > resume_step) {
      ++repair.later_lines;
    } else {
      kept.write(line + "\n");
    }
  }
  old.close();
  if (repair.later_lines + repair.damaged_lines > 0 || torn_end) kept.publish();
  return repair;
}

}  // namespace sextant::trainer
