#include "rlhf/preference_moves.h"

#include <ATen/ATen.h>

#include "rlhf/preference_loss.h"
#include "rlhf/shared_rows.h"
#include "trainer/evaluation.h"

namespace sextant::rlhf {

PreferenceMoves measure_moves(const DpoSettings& settings, int64_t chunk, trainer::Passes& passes,
                              const trainer::HeldOut& held_out, parallel::Group& data,
                              parallel::Group& world) {
  PreferenceSums sums;
  double chosen = 0, rejected = 0;
  bool counts = speaks_for_all(passes.model());
  auto listen = [&](const trainer::Transformer& model, const at::Tensor& hidden, const trainer::Rows& rows) {
    AnswerSums answers = answer_sums(model, hidden, rows, chunk);
    PreferencePairs pairs = preference_pairs(answers.rows);
    auto rewards = [&](const at::Tensor& which) {
      return (settings.beta() * answers.moved.index_select(0, which)).to(at::kCPU).contiguous();  // [P]
    };
    at::Tensor better = rewards(pairs.winner), worse = rewards(pairs.loser);
    for (int64_t i = 0; counts && i < better.numel(); ++i) {
      double one = better.const_data_ptr<double>()[i], other = worse.const_data_ptr<double>()[i];
      sums.add(one - other);
      chosen += one;
      rejected += other;
    }
    return trainer::LossSum{hidden.sum() * 0, pairs.shares.sum()};
  };
  trainer::held_out_loss(passes, *held_out.microbatches, held_out.count, listen, data, world);
  sums.reduce(world);
  std::vector<double> totals = parallel::reduce_numbers(world, {chosen, rejected});
  PreferenceMoves moves{sums.report(), 0, 0};
  if (moves.report.pairs == 0) return moves;
  moves.chosen_reward = totals[0] / moves.report.pairs;
  moves.rejected_reward = totals[1] / moves.report.pairs;
  return moves;
}

trainer::Scalars scalars_of(const PreferenceMoves& moves) {
  trainer::Scalars scalars = scalars_of(moves.report);
  scalars.emplace_back("chosen_reward", moves.chosen_reward);
  scalars.emplace_back("rejected_reward", moves.rejected_reward);
  scalars.emplace_back("reward_margin", moves.chosen_reward - moves.rejected_reward);
  return scalars;
}

}  // namespace sextant::rlhf
