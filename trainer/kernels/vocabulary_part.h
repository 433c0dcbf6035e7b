#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "parallel/group.h"

namespace sextant::trainer {

// The part of the vocabulary whose rows this rank holds: an equal share for each rank of the group, in their
// order; all of it where the group is null. n tokens, V vocabulary, R ranks, b blocks of equal size that this
// rank's part is looked at in (1: as one).
class VocabularyPart {
 public:
  // Of a weight [V/R, C].
  VocabularyPart(const at::Tensor& weight, parallel::Group* group, int64_t blocks = 1);

  // Ids as rows of a block of this part, kElsewhere for those of others. [any] int64
  at::Tensor rows_of(const at::Tensor& ids, int64_t block = 0) const;

  // What a block says of each token.
  struct Part {
    at::Tensor log_sums;  // [n] log sum exp of its logits
    at::Tensor logits;    // [n, V/(R b)]
    at::Tensor rows;      // [n] as rows_of(targets, block) gives them
  };

  // What the whole vocabulary's softmax says of each token, equal on every rank.
  struct Softmax {
    at::Tensor log_sums;   // [n] log sum exp of all logits
    at::Tensor at_target;  // [n] the target's logit
  };
  // From all blocks of this part. Results have log_sums' type. All ranks must call together.
  Softmax whole_softmax(const std::vector<Part>& blocks) const;

 private:
  parallel::Group* group_;
  int64_t first_, count_;  // of the first block
  int64_t blocks_;
};

}  // namespace sextant::trainer
