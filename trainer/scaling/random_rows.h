#pragma once

#include <cstdint>

#include "data/batch.h"
#include "trainer/run.pb.h"

namespace sextant::trainer {

// Rows of random tokens, the next one being each one's target: for measurements that no text matters to. A
// pure function of run.seed. The settings must be complete, with a vocabulary.
data::Batch random_rows(const Run& run, int64_t rows);

}  // namespace sextant::trainer
