#include "trainer/kernels/vocabulary_part.h"

#include <ATen/ATen.h>

#include "trainer/kernels/softmax.h"

namespace sextant::trainer {

VocabularyPart::VocabularyPart(const at::Tensor& weight, parallel::Group* group)
    : group_(group),
      first_(group == nullptr ? 0 : group->rank().value() * weight.size(0)),
      count_(weight.size(0)) {}

at::Tensor VocabularyPart::rows_of(const at::Tensor& ids) const {
  if (group_ == nullptr) return ids;
  at::Tensor rows = ids - first_;
  return rows.masked_fill_((rows < 0).logical_or_(rows >= count_), kElsewhere);
}

VocabularyPart::Softmax VocabularyPart::whole_softmax(const at::Tensor& log_sums, const at::Tensor& logits,
                                                      const at::Tensor& rows) const {
  auto picked = [&](const at::Tensor& columns) {
    return logits.gather(1, columns.unsqueeze(1)).squeeze(1).to(log_sums.scalar_type());
  };
  if (group_ == nullptr) return {log_sums, picked(rows)};
  at::Tensor own = at::empty({2, log_sums.size(0)}, log_sums.options());  // [2, n]
  own[0].copy_(log_sums);
  own[1].copy_(picked(rows.clamp_min(0)).masked_fill_(rows < 0, 0));
  at::Tensor all = at::empty({group_->size(), 2, log_sums.size(0)}, own.options());  // [R, 2, n]
  group_->all_gather(all, own);
  return {at::logsumexp(all.select(1, 0), {0}), all.select(1, 1).sum(0)};
}

}  // namespace sextant::trainer
