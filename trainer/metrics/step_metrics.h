#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "trainer/metrics/breakdown.h"

namespace sextant::trainer {

// Named numbers beyond the fixed ones ("reward", "kl"), in the order in which they are written.
using Scalars = std::vector<std::pair<std::string, double>>;

// What one step of training reports; the same numbers go to metrics.jsonl, to TensorBoard and to the
// terminal.
struct StepMetrics {
  int64_t step = 0;    // updates done, this one included
  int64_t tokens = 0;  // token positions trained on since the run began
  double loss = 0;     // mean over the global batch, in nats
  double grad_norm = 0;
  double learning_rate = 0;
  double tokens_per_second = 0;  // over all ranks
  double mfu = 0;                // share of the hardware's peak, 0 to 1; NaN where the peak is not known
  int64_t memory_bytes = 0;      // the largest over ranks
  double step_seconds = 0;
  std::optional<double> valid_loss;    // held-out loss, at steps that measure it
  int64_t skipped = 0;                 // updates skipped in a row, this one included; written when not 0
  std::optional<KindSeconds> seconds;  // where step_seconds went
  Scalars extra;
};

}  // namespace sextant::trainer
