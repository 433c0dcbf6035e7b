#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "parallel/mesh.pb.h"

namespace sextant::trainer {

// Which places of a row a rank holds where `ranks` share it. Ring: of 2 n equal chunks rank r holds r and
// 2 n - 1 - r, one after the other. Ulysses: the r-th of n equal stretches. B rows, T time of a whole row.
struct ContextCut {
  parallel::MeshSettings::ContextKind kind = parallel::MeshSettings::ring;
  int64_t rank = 0;
  int64_t ranks = 1;

  // [B, T, ...] to [B, T/n, ...]; undefined stays undefined.
  at::Tensor operator()(const at::Tensor& rows) const;
  // The ranks' parts side by side along the time, [B, T, ...], to the row's own order.
  at::Tensor joined(const at::Tensor& parts) const;
};

}  // namespace sextant::trainer
