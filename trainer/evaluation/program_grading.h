#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "trainer/evaluation/code_sandbox.h"

namespace sextant::trainer {

// Runs the programs in records of one task and writes what became of them there: "verdict" and "errors" of
// each sample, then the item's grade, pass@k for each k. Of one rank: records are its own.
class ProgramGrading {
 public:
  // Borrows all three.
  ProgramGrading(const CodeSandbox& sandbox, const EvalTask& task,
                 std::vector<nlohmann::ordered_json>& records);

  // Runs the next few programs, as many side by side as this rank has threads. True while some are left; with
  // the last ones the grades are there.
  bool run_some();

 private:
  const CodeSandbox& sandbox_;
  const EvalTask& task_;
  std::vector<nlohmann::ordered_json>& records_;
  std::vector<std::pair<size_t, size_t>> places_;  // record and sample of each program
  size_t done_ = 0;

  nlohmann::ordered_json& sample(size_t place);
  void grade();
};

}  // namespace sextant::trainer
