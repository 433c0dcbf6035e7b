#pragma once

#include <ATen/core/Tensor.h>

#include "data/batch.h"

namespace sextant::trainer {

// Rows of a batch as tensors on the device that computes. B rows, T time.
struct Rows {
  at::Tensor tokens;     // [B, T] int64
  at::Tensor targets;    // [B, T] int64
  at::Tensor loss_mask;  // [B, T] fp32
  at::Tensor positions;  // [B, T] int64
  at::Tensor documents;  // [B, T] int32; undefined: each row is one document
};

// Copies `count` rows from `first` on to the device.
Rows rows_of(const data::Batch& batch, int64_t first, int64_t count, at::Device device);

}  // namespace sextant::trainer
