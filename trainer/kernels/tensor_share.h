#pragma once

#include "parallel/group.h"

namespace sextant::trainer {

// What stands between the layers that ranks share.
enum class Stream {
  kShards,  // each rank has its part of time, [B, T/n, C] (sequence parallelism): training, evaluation
  kWhole,   // each rank has all of it, [B, T, C], for any T; without gradient: generation and scoring
};

// How the ranks of a tensor-parallel group share a layer (Shoeybi et al. 2019, section 3; Korthikanti et al.
// 2022, section 4.2). A column layer, whose outputs are cut, reads the whole stream; a row layer, whose
// inputs are cut, ends in a sum over the ranks. All ranks must call together.
struct TensorShare {
  parallel::Group* group = nullptr;  // null: the layer is here alone
  Stream stream = Stream::kShards;
  // Of shards: blocks that this rank computes one by one (trainer/kernels/fixed_blocks); 0: all at once.
  int64_t blocks = 0;

  bool in_shards() const { return group != nullptr && stream == Stream::kShards; }
};

}  // namespace sextant::trainer
