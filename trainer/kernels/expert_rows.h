#pragma once

#include <ATen/core/Tensor.h>

namespace sextant::trainer {

// Between tokens and the rows that experts compute: a token has a row for each expert it chose, and rows
// stand sorted by expert so that each expert's are a stretch of their own.
//
// N tokens, k choices of a token, M = N k rows (fewer where choices were dropped), C channels, E experts.
struct ExpertRows {
  at::Tensor choice;  // [M] int64: which choice (token * k + j) each row serves; by expert, then by token
  at::Tensor row;     // [N, k] int64: the row of each choice; M where it was dropped
  at::Tensor counts;  // [E] int64 on the CPU: rows of each expert

  int64_t rows() const { return choice.size(0); }
};

// experts [N, k] int64; kept [N, k] bool: choices that are not dropped (undefined: all). The order is a
// function of its arguments alone, on every device.
ExpertRows sort_by_expert(const at::Tensor& experts, int64_t count, const at::Tensor& kept);

// x [N, C] to [M, C]: each row gets its token's channels. Differentiable; the gradients of a token's rows are
// summed in at least fp32, in the order of its choices.
at::Tensor spread(const at::Tensor& x, const ExpertRows& order);

// rows [M, C] and weights [N, k] to [N, C]: the weighted sum of each token's rows, in at least fp32, dropped
// ones left out. Differentiable in both; the result has the type of rows.
at::Tensor combine(const at::Tensor& rows, const at::Tensor& weights, const ExpertRows& order);

}  // namespace sextant::trainer
