#include "rlhf/preference_loss.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "data/chat/preference_rows.h"
#include "parallel/base/error.h"
#include "rlhf/pair_places.h"
#include "rlhf/shared_rows.h"
#include "trainer/kernels/linear_cross_entropy.h"

namespace sextant::rlhf {
namespace {

// The places of each answer's last target, of the flat rows, [N] bool.
at::Tensor ends_of(const trainer::Rows& rows) {
  expect(rows.columns.size() == data::kPreferenceColumns, "rows of preferences have their columns");
  return ((rows.columns[data::kEndColumn] > 0) & (rows.loss_mask > 0)).flatten();
}

// A column's numbers at the ends, [A] fp64.
at::Tensor at_ends(const trainer::Rows& rows, data::PreferenceColumn column, const at::Tensor& ends) {
  return rows.columns[column].flatten().masked_select(ends).to(at::kDouble);
}

}  // namespace

PairLosses pair_losses(const DpoSettings& settings, const at::Tensor& gaps, const at::Tensor& margins) {
  at::NoGradGuard no_gradient;
  if (settings.loss() == DpoSettings::ipo) {
    at::Tensor over = gaps - 1 / (2 * settings.beta());
    return {over.square(), 2 * over};
  }
  double smoothing = settings.label_smoothing();
  at::Tensor logits = settings.beta() * gaps - margins;
  at::Tensor losses = -(1 - smoothing) * at::log_sigmoid(logits) - smoothing * at::log_sigmoid(-logits);
  return {losses, settings.beta() * (smoothing - at::sigmoid(-logits))};
}

AnswerSums answer_sums(const trainer::Transformer& model, const at::Tensor& hidden, const trainer::Rows& rows,
                       int64_t chunk) {
  at::NoGradGuard no_gradient;
  at::Tensor flat = whole_hidden(model, hidden).flatten(0, 1).detach();  // [N, C]
  at::Tensor now = trainer::target_log_probabilities(flat, model.output_weight(), rows.targets.flatten(),
                                                     chunk, model.part().tensor)
                       .to(at::kDouble)
                       .view_as(rows.targets);
  now = whole_time(model, now).flatten();
  AnswerSums answers;
  answers.rows = whole_rows(model, rows);
  at::Tensor ends = ends_of(answers.rows), counts = answers.rows.loss_mask.flatten() > 0;
  // Where nothing counts is padding, whose log-probability may be anything.
  at::Tensor behind = at::where(counts, now, 0.0).cumsum(0).masked_select(ends);  // [A]
  answers.sums = behind.clone();
  int64_t count = behind.numel();
  if (count > 1) answers.sums.narrow(0, 1, count - 1) -= behind.narrow(0, 0, count - 1);
  answers.index = at_ends(answers.rows, data::kAnswerColumn, ends).to(at::kLong);
  answers.moved = answers.sums - at_ends(answers.rows, data::kReferenceColumn, ends) -
                  at_ends(answers.rows, data::kReferenceRestColumn, ends);
  return answers;
}

PreferencePairs preference_pairs(const trainer::Rows& rows) {
  at::Tensor ends = ends_of(rows);
  // Prompts are numbered inside their rows.
  at::Tensor row = at::arange(rows.tokens.size(0), rows.tokens.options()).unsqueeze(1).expand_as(rows.tokens);
  at::Tensor prompt = row.flatten().masked_select(ends) * rows.tokens.size(1) +
                      at_ends(rows, data::kPromptColumn, ends).to(at::kLong);
  PairPlaces places = pair_places(prompt, at_ends(rows, data::kPreferenceColumn, ends));
  PreferencePairs pairs;
  pairs.margins = at_ends(rows, data::kLeastMarginColumn, ends).index_select(0, places.winner);
  pairs.winner = places.winner;
  pairs.loser = places.loser;
  pairs.shares = places.shares;
  return pairs;
}

trainer::LossFunction preference_loss(const DpoSettings& settings, int64_t chunk) {
  return [&settings, chunk](const trainer::Transformer& model, const at::Tensor& hidden,
                            const trainer::Rows& rows) {
    AnswerSums answers = answer_sums(model, hidden, rows, chunk);
    PreferencePairs pairs = preference_pairs(answers.rows);
    at::Tensor gaps =
        answers.moved.index_select(0, pairs.winner) - answers.moved.index_select(0, pairs.loser);  // [P]
    PairLosses each = pair_losses(settings, gaps, pairs.margins);
    at::Tensor total = (each.losses * pairs.shares).sum(), slopes = each.slopes * pairs.shares;
    // By each answer's log-probability, and by that of each of its tokens; behind the last answer is nothing.
    at::Tensor by_answer = at::zeros({answers.sums.numel() + 1}, slopes.options());
    by_answer.index_add_(0, pairs.winner, slopes);
    by_answer.index_add_(0, pairs.loser, -slopes);
    at::Tensor ends = ends_of(answers.rows).to(at::kLong), answer = ends.cumsum(0) - ends;  // [N]
    at::Tensor mask = answers.rows.loss_mask;                                               // [B, T]
    at::Tensor slope = by_answer.index_select(0, answer).view_as(mask) * mask;
    at::Tensor flat = whole_hidden(model, hidden).flatten(0, 1);  // [N/n, C]
    // Cross-entropy weighed by -slope has the gradient of this loss; a constant puts its value right.
    at::Tensor weights = -model.context_cut()(slope).flatten().to(
        flat.scalar_type() == at::kDouble ? at::kDouble : at::kFloat);
    at::Tensor sum = trainer::linear_cross_entropy(flat, model.output_weight(), rows.targets.flatten(),
                                                   weights, chunk, model.output().sink, model.part().tensor);
    auto ranks = static_cast<double>(context_ranks(model));
    sum = sum + ((total / ranks).to(sum.scalar_type()) - sum.detach());
    return trainer::LossSum{sum, pairs.shares.sum().round() / ranks};
  };
}

}  // namespace sextant::rlhf
