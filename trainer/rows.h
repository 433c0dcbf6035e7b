#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "data/batch.h"
#include "trainer/context_cut.h"
#include "trainer/kernels/branch.h"

namespace sextant::trainer {

// Rows of a batch as tensors on the device that computes. B rows, T time; n ranks share a row's time
// (trainer/context_cut.h).
struct Rows {
  at::Tensor tokens;                // [B, T/n] int64
  at::Tensor targets;               // [B, T/n] int64
  at::Tensor loss_mask;             // [B, T/n] fp32
  at::Tensor positions;             // [B, T/n] int64
  at::Tensor documents;             // [B, T] int32, of the whole rows; undefined: each row is one document
  std::vector<at::Tensor> columns;  // each [B, T/n] fp32: see data::Batch
  // Of one row whose tokens are branches behind what a cache holds (branch_attention); empty: of no such row.
  std::vector<Branch> branches;
};

// Copies `count` rows from `first` on to the device: of each, what the cut leaves to this rank.
Rows rows_of(const data::Batch& batch, int64_t first, int64_t count, at::Device device,
             const ContextCut& cut);

}  // namespace sextant::trainer
