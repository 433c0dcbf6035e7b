#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace sextant::trainer {

// The numbers that a run wrote down under one name.
struct MetricColumn {
  std::vector<size_t> lines;     // that have it, rising
  std::vector<double> values;    // finite
  int64_t not_finite = 0;        // lines that have null instead
  int64_t first_not_finite = 0;  // step of the first of these
};

// metrics.jsonl by columns (docs/metrics_format.md).
struct MetricsTable {
  std::vector<int64_t> steps;  // of each line
  std::vector<double> tokens;  // of each line; a line that does not say has those of the line before
  std::map<std::string, MetricColumn> columns;  // all but step and tokens
  int64_t damaged_lines = 0;                    // left out
  std::string first_damage;                     // file, line and what is wrong there
};

// Reads a file that a run has written or is writing. Lines that are no JSON object with a step are left out
// and counted, such as a last one that a crash tore. Throws Error(kInput) when the file is not there.
MetricsTable read_metrics(const std::filesystem::path& file);

}  // namespace sextant::trainer
