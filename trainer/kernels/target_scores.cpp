#include "trainer/kernels/target_scores.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "trainer/kernels/inference_linear.h"
#include "trainer/kernels/simd_memory.h"
#include "trainer/kernels/softmax.h"
#include "trainer/kernels/vocabulary_part.h"

namespace sextant::trainer {
namespace {

// Columns of logits in memory at one time: those of a few hundred rows stay in a cache, and of very many rows
// there are fewer.
constexpr int64_t kColumns = 4096, kManyRows = 1024;

int64_t columns_together(int64_t rows) {
  return rows <= kManyRows ? kColumns : std::max<int64_t>(64, kColumns * kManyRows / rows);
}

at::Tensor log_sums_of(const at::Tensor& logits) {
  return (fits_simd(logits) ? log_sum_exp(logits) : at::logsumexp(logits, -1)).to(at::kDouble);
}

// [R, n] of all ranks.
at::Tensor gathered(const at::Tensor& own, parallel::Group& group) {
  at::Tensor all = at::empty({group.size(), own.size(0)}, own.options());
  group.all_gather(all, own);
  return all;
}

}  // namespace

TargetScores target_scores(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& rows,
                           const at::Tensor& targets, parallel::Group* shared_by) {
  constexpr double kNothing = -std::numeric_limits<double>::infinity();
  auto wide = hidden.options().dtype(at::kDouble);
  at::Tensor log_sums = at::full({hidden.size(0)}, kNothing, wide), highest = log_sums.clone();  // [N]
  at::Tensor at_target = at::full({targets.size(0)}, kNothing, wide);                            // [P]
  at::Tensor columns = VocabularyPart(weight, shared_by).rows_of(targets);
  int64_t most = columns_together(hidden.size(0));
  for (int64_t first = 0; first < weight.size(0); first += most) {
    int64_t count = std::min(most, weight.size(0) - first);
    at::Tensor logits =
        inference_linear(hidden, {{weight.narrow(0, first, count), at::Tensor()}}, at::kFloat)[0];
    if (at::isReducedFloatingType(logits.scalar_type())) logits = logits.to(at::kFloat);  // [N, count]
    log_sums = at::logaddexp(log_sums, log_sums_of(logits));
    highest = at::maximum(highest, logits.amax(1).to(at::kDouble));
    at::Tensor here = (columns >= first).logical_and_(columns < first + count).nonzero().squeeze(1);
    at::Tensor found = logits.index({rows.index_select(0, here), columns.index_select(0, here) - first});
    at_target.index_copy_(0, here, found.to(at::kDouble));
  }
  if (shared_by != nullptr) {
    log_sums = at::logsumexp(gathered(log_sums, *shared_by), {0});
    highest = gathered(highest, *shared_by).amax(0);
    at_target = gathered(at_target, *shared_by).amax(0);
  }
  return {at_target - log_sums.index_select(0, rows), at_target >= highest.index_select(0, rows)};
}

}  // namespace sextant::trainer
