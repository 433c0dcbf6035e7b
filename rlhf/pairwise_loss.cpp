#include "rlhf/pairwise_loss.h"

#include <ATen/ATen.h>

#include "data/chat/comparison_set.h"
#include "parallel/base/error.h"
#include "rlhf/pair_places.h"
#include "rlhf/shared_rows.h"

namespace sextant::rlhf {

Pairs pairs_of(const at::Tensor& values, const trainer::Rows& rows) {
  expect(rows.columns.size() == data::kComparisonColumns, "rows of comparisons have their columns");
  at::Tensor ends = rows.loss_mask > 0;  // [B, T]
  auto at_ends = [&](const at::Tensor& all) { return all.masked_select(ends); };
  Pairs pairs;
  pairs.scores = at_ends(values);  // [A]
  // Groups are numbered inside their rows.
  at::Tensor row = at::arange(values.size(0), rows.tokens.options()).unsqueeze(1).expand_as(ends);
  at::Tensor prompt = at_ends(row) * values.size(1) + at_ends(rows.columns[data::kGroupColumn]).to(at::kLong);
  at::Tensor rank = at_ends(rows.columns[data::kRankColumn]);
  PairPlaces places = pair_places(prompt, rank);
  pairs.gaps = pairs.scores.index_select(0, places.winner) - pairs.scores.index_select(0, places.loser);
  pairs.margins = at_ends(rows.columns[data::kMarginColumn]).index_select(0, places.winner);
  pairs.shares = places.shares;
  // Each prompt's shares add up to 1 but for rounding.
  pairs.prompts = pairs.shares.sum().round();
  return pairs;
}

Pairs pairs_of(const trainer::Transformer& model, const at::Tensor& hidden, const trainer::Rows& rows) {
  return pairs_of(whole_time(model, model.values(hidden)), whole_rows(model, rows));
}

trainer::LossFunction pairwise_loss() {
  return [](const trainer::Transformer& model, const at::Tensor& hidden, const trainer::Rows& rows) {
    Pairs pairs = pairs_of(model, hidden, rows);
    at::Tensor losses = at::log_sigmoid(pairs.gaps - pairs.margins).neg();  // [P]
    auto ranks = static_cast<double>(context_ranks(model));
    return trainer::LossSum{(losses * pairs.shares.to(losses.scalar_type())).sum() / ranks,
                            pairs.prompts / ranks};
  };
}

trainer::LossFunction score_sum() {
  return [](const trainer::Transformer& model, const at::Tensor& hidden, const trainer::Rows& rows) {
    Pairs pairs = pairs_of(model, hidden, rows);
    auto ranks = static_cast<double>(context_ranks(model));
    return trainer::LossSum{pairs.scores.sum() / ranks, rows.loss_mask.sum(at::kDouble)};
  };
}

}  // namespace sextant::rlhf
