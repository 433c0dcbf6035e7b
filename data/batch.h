#pragma once

#include <cstdint>
#include <vector>

namespace sextant::data {

// Rows of token ids for one step (or a part of one), in plain memory: data knows no tensors.
// B = rows, T = time; every vector is row-major [B, T].
struct Batch {
  int64_t rows = 0;
  int64_t time = 0;
  std::vector<int64_t> tokens;     // [B, T]
  std::vector<int64_t> targets;    // [B, T] the token after each one
  std::vector<float> loss_mask;    // [B, T] 1 where the target counts
  std::vector<int64_t> positions;  // [B, T] 0.. in each document, or in each row when documents do not reset
  std::vector<int32_t> documents;  // [B, T] rising number of the document inside the row; empty: one a row

  // What a loss wants to know of a place beyond its target, column by column; which one means what, its
  // maker and the loss agree on.
  std::vector<std::vector<float>> columns;  // each [B, T]

  // Rows [first, first + count) as a batch of its own.
  Batch slice(int64_t first, int64_t count) const;
};

}  // namespace sextant::data
