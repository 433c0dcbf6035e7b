#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "parallel/group.h"

namespace sextant::trainer {

// The part of the vocabulary whose rows this rank holds: an equal share for each rank of the group, in their
// order; all of it where the group is null. n tokens, V vocabulary, R ranks.
class VocabularyPart {
 public:
  // Of a weight [V/R, C].
  VocabularyPart(const at::Tensor& weight, parallel::Group* group);

  // Ids as rows of this part, kElsewhere for those of other ranks. [any] int64
  at::Tensor rows_of(const at::Tensor& ids) const;

  // What the whole vocabulary's softmax says of each token, equal on every rank.
  struct Softmax {
    at::Tensor log_sums;   // [n] log sum exp of all logits
    at::Tensor at_target;  // [n] the target's logit
  };
  // From this part's: log_sums [n], logits [n, V/R], rows [n] as rows_of(targets) gives them. Results have
  // log_sums' type. All ranks must call together.
  Softmax whole_softmax(const at::Tensor& log_sums, const at::Tensor& logits, const at::Tensor& rows) const;

 private:
  parallel::Group* group_;
  int64_t first_, count_;
};

}  // namespace sextant::trainer
