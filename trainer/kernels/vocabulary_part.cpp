#include "trainer/kernels/vocabulary_part.h"

#include <ATen/ATen.h>

#include "trainer/kernels/softmax.h"

namespace sextant::trainer {

VocabularyPart::VocabularyPart(const at::Tensor& weight, parallel::Group* group, int64_t blocks)
    : group_(group),
      first_(group == nullptr ? 0 : group->rank().value() * weight.size(0)),
      count_(weight.size(0) / blocks),
      blocks_(blocks) {}

at::Tensor VocabularyPart::rows_of(const at::Tensor& ids, int64_t block) const {
  if (group_ == nullptr && blocks_ == 1) return ids;
  at::Tensor rows = ids - (first_ + block * count_);
  return rows.masked_fill_((rows < 0).logical_or_(rows >= count_), kElsewhere);
}

VocabularyPart::Softmax VocabularyPart::whole_softmax(const std::vector<Part>& blocks) const {
  const at::Tensor& first = blocks[0].log_sums;
  auto picked = [&](const Part& part, const at::Tensor& columns) {
    return part.logits.gather(1, columns.unsqueeze(1)).squeeze(1).to(first.scalar_type());
  };
  if (group_ == nullptr && blocks_ == 1) return {first, picked(blocks[0], blocks[0].rows)};
  at::Tensor own = at::empty({blocks_, 2, first.size(0)}, first.options());  // [b, 2, n]
  for (size_t i = 0; i < blocks.size(); ++i) {
    const Part& part = blocks[i];
    at::Tensor of_block = own[static_cast<int64_t>(i)];
    of_block[0].copy_(part.log_sums);
    of_block[1].copy_(picked(part, part.rows.clamp_min(0)).masked_fill_(part.rows < 0, 0));
  }
  at::Tensor all = own;  // [R b, 2, n]
  if (group_ != nullptr) {
    all = at::empty({group_->size() * blocks_, 2, first.size(0)}, own.options());
    group_->all_gather(all.view({group_->size(), blocks_, 2, -1}), own);
  }
  return {at::logsumexp(all.select(1, 0), {0}), all.select(1, 1).sum(0)};
}

}  // namespace sextant::trainer
