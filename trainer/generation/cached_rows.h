#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "trainer/model/cache.h"
#include "trainer/passes.h"

namespace sextant::trainer {

// Texts that are continued side by side, each in a row of one key-value cache and at a length of its own. The
// rows in use are always the first ones, so that a pass over them reads one block of memory. For inference
// mode. All ranks that hold the model call the same methods with equal arguments.
//
// C channels.
class CachedRows {
 public:
  // Room for `rows` texts of at most `slots` tokens.
  CachedRows(Passes& passes, int64_t rows, int64_t slots);

  int64_t used() const { return static_cast<int64_t>(lengths_.size()); }
  int64_t free() const { return rows_ - used(); }

  // Passes in which read() takes so many texts.
  int64_t reads_for(int64_t texts) const;

  // Reads texts into the next free rows; the channels of each text's last token, [texts, C].
  at::Tensor read(const std::vector<const std::vector<int32_t>*>& texts);

  // One more token for each row in use, and its channels, [used, C].
  at::Tensor append(const std::vector<int32_t>& tokens);

  // A pass whose results nobody reads, for those that it meets.
  void idle();

  // Frees a row. The last row in use moves there.
  void release(int64_t row);

 private:
  at::Tensor read_together(const std::vector<const std::vector<int32_t>*>& texts);
  at::Tensor forward(const at::Tensor& tokens, const at::Tensor& positions, Cache& cache);

  Passes& passes_;
  int64_t rows_;
  Cache cache_;
  std::vector<int64_t> lengths_;  // tokens in each row in use
};

}  // namespace sextant::trainer
