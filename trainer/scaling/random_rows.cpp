#include "trainer/scaling/random_rows.h"

#include "parallel/base/seed.h"

namespace sextant::trainer {

data::Batch random_rows(const Run& run, int64_t rows) {
  RandomKey key(run.run().seed(), "coordinates");
  data::Batch batch;
  batch.rows = rows;
  batch.time = run.model().context();
  auto vocabulary = static_cast<uint64_t>(run.model().vocabulary());
  for (int64_t i = 0; i < rows * batch.time; ++i) {
    batch.tokens.push_back(static_cast<int64_t>(key.below(vocabulary, 0, static_cast<uint64_t>(i))));
    batch.targets.push_back(static_cast<int64_t>(key.below(vocabulary, 0, static_cast<uint64_t>(i + 1))));
    batch.positions.push_back(i % batch.time);
  }
  batch.loss_mask.assign(batch.tokens.size(), 1.0f);
  return batch;
}

}  // namespace sextant::trainer
