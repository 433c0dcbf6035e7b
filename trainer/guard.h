#pragma once

#include <cstdint>

#include "parallel/base/number.h"

namespace sextant::trainer {

// Counts updates left out in a row because loss or gradient was not finite. Every rank sees the same numbers
// and so comes to the same end.
class Guard {
 public:
  // `allowed` updates in a row may be left out; `already` were when the run was saved.
  Guard(int64_t allowed, int64_t already) : allowed_(allowed), in_a_row_(already) {}

  // After each step. Throws AgreedError(kEnvironment) with what to try when too many were left out.
  void observe(Step step, bool finite, double loss, double grad_norm);
  int64_t in_a_row() const { return in_a_row_; }

 private:
  int64_t allowed_;
  int64_t in_a_row_;
};

}  // namespace sextant::trainer
