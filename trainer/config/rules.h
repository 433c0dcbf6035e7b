#pragma once

#include <cstdint>
#include <vector>

#include "trainer/config/complaint.h"
#include "trainer/run.pb.h"

namespace sextant::trainer {

// Where a run's rows come from.
enum class RowsFrom {
  kShards,  // data.train and data.valid
  kStage,   // what a stage of alignment reads; shards only beside it
};

// Everything that is wrong with a run across its fields; each field alone was checked when it was loaded.
// Works before and after fill_defaults. `world_size` is the number of ranks, 0 where it is not known (config
// show): then what depends on it is left out. Pass the result to check().
std::vector<Complaint> complaints(const Run& run, int64_t world_size, RowsFrom rows = RowsFrom::kShards);

// Sets what was left out: constants, and what follows from other fields. model.vocabulary follows
// `tokenizer_vocabulary`, which is 0 where no tokenizer was loaded: then it stays unset. What the next start
// may decide anew stays unset too: parallel.data, run.stop_at, run.peak_tflops.
void fill_defaults(Run& run, int64_t tokenizer_vocabulary);

}  // namespace sextant::trainer
