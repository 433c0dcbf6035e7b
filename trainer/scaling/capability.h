#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "trainer/scaling/power_law.h"

namespace sextant::trainer {

// How often problems are solved as compute grows: -E[log pass rate] = alpha C^-k within a bucket of problems
// about equally hard (GPT-4 technical report, arXiv 2303.08774, section 3.2, equation in "Scaling of
// capabilities on HumanEval"). The mean is over the bucket's problems at one amount of compute.

struct CapabilityColumns {
  std::string flops;
  std::string pass_rate;  // of one problem, above 0 and at most 1
  std::string bucket;     // a name; empty: all problems are one bucket
};

struct CapabilityBucket {
  std::string name;
  LogPoints points;     // a point for each amount of compute
  size_t problems = 0;  // records of the bucket
};

// The buckets of a CSV file of (compute, problem) records in the order in which the file first names them,
// without those in `left_out` (the report leaves out the hardest). Throws Error(kInput) naming file and line:
// a pass rate of 0 (its logarithm is no number), outside 0..1 or no number; a bucket in which all problems
// are always solved, or of fewer than three amounts of compute; a bucket to leave out that is not there.
std::vector<CapabilityBucket> read_capability(const std::filesystem::path& file,
                                              const CapabilityColumns& columns,
                                              const std::vector<std::string>& left_out);

}  // namespace sextant::trainer
