#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "trainer/kernels/linear.h"
#include "trainer/kernels/norm.h"
#include "trainer/kernels/tensor_share.h"

// The layers that tensor-parallel ranks share, in a fixed number of blocks, however many ranks there are. A
// rank computes each of its blocks as it would if it had no other, and what is summed over the blocks of all
// ranks is summed by parallel/tree_sum, within a rank and between ranks. So results and gradients are the
// same bits on any number of ranks that the blocks are spread over evenly.
//
// B batch, T time, n ranks, b = share.blocks of each rank; n b is a power of two. x is a rank's shard of
// time. Under autograd; what is between the functions is kept for backward.
namespace sextant::trainer {

// norm() of x, whose dim `dim` is b equal parts one after the other, each the part of a block: shards of
// time, or heads. Gradients of the weights come as b parts, which reproducible sums round one by one.
at::Tensor norm_in_blocks(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                          double epsilon, int64_t dim, int64_t blocks, NormSinks sinks);

// Column layers: x [B, T/n, in], of all ranks together along T; one output [B, T, out_i] for each layer,
// whose outputs are b blocks.
std::vector<at::Tensor> column_in_blocks(const at::Tensor& x, const std::vector<Linear>& layers,
                                         TensorShare share);

// A row layer, whose inputs are b blocks: x [B, T, in] to this rank's shard of the sum, [B, T/n, out], with
// the bias.
at::Tensor row_in_blocks(const at::Tensor& x, const Linear& layer, TensorShare share);

// x [B, T/n, C] as one row, [1, B T/n, C], whose b equal parts are the blocks' shards of time; and back.
at::Tensor as_row_of_blocks(const at::Tensor& x, int64_t blocks);
at::Tensor from_row_of_blocks(const at::Tensor& row, at::IntArrayRef sizes, int64_t blocks);

}  // namespace sextant::trainer
