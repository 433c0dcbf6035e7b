#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "trainer/model/part.h"

namespace sextant::trainer {

// Which choices an expert of limited capacity takes: of each row, the first ones by `order`, a token's own in
// the order in which it made them (Lepikhin et al. 2020, "GShard", with rows as groups). Decided over whole
// rows, so that it does not depend on how ranks cut them.
//
// experts [B, T, k] int64 of this rank's tokens; order [B, T] int64, different for each token of a row. A row
// is what all ranks of part.tensor (where `part` has one) and part.context have of it; all must call. Each of
// `count` experts takes at most ceil(factor * tokens * k / count) choices of a row. Returns [B T, k] bool.
at::Tensor kept_choices(const at::Tensor& experts, const at::Tensor& order, int64_t count, double factor,
                        const ModelPart& part);

}  // namespace sextant::trainer
