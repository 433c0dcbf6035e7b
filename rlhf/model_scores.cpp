#include "rlhf/model_scores.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <functional>

#include "rlhf/episode_rows.h"
#include "rlhf/shared_rows.h"
#include "trainer/kernels/linear_cross_entropy.h"

namespace sextant::rlhf {
namespace {

// A number for each place of each row, [B, T/n] of what the context ranks leave here.
using NumbersOf = std::function<at::Tensor(const at::Tensor& hidden, const trainer::Rows& rows)>;

// Episodes in microbatches. A pipeline's are all of one shape, so that its last one may repeat an episode.
class Microbatches {
 public:
  Microbatches(const trainer::Passes& passes, const std::vector<const Episode*>& episodes, int64_t rows)
      : model_(passes.model()), episodes_(episodes), each_(rows), alike_(passes.pipelined()) {}

  int64_t count() const { return (std::ssize(episodes_) + each_ - 1) / each_; }
  int64_t rows() const { return each_; }

  std::vector<const Episode*> at(int64_t microbatch) const {
    std::vector<const Episode*> some;
    for (int64_t i = 0; i < each_; ++i) {
      int64_t which = microbatch * each_ + i;
      if (!alike_ && which >= std::ssize(episodes_)) break;
      some.push_back(episodes_[static_cast<size_t>(std::min(which, std::ssize(episodes_) - 1))]);
    }
    return some;
  }

  int64_t time(int64_t microbatch) const { return row_time(alike_ ? episodes_ : at(microbatch), model_); }

  trainer::Rows rows_at(int64_t microbatch) const {
    data::Batch batch = episode_rows(at(microbatch), time(microbatch));
    return trainer::rows_of(batch, 0, batch.rows, model_.parameters().device(), model_.context_cut());
  }

 private:
  const trainer::Transformer& model_;
  const std::vector<const Episode*>& episodes_;
  int64_t each_;
  bool alike_;
};

// Calls `take` with each episode's index and its row's numbers, fp64 on the CPU.
void each_row(trainer::Passes& passes, const std::vector<const Episode*>& episodes, int64_t micro_batch,
              const NumbersOf& numbers_of, const std::function<void(size_t, const double*)>& take) {
  at::NoGradGuard no_gradient;
  Microbatches microbatches(passes, episodes, micro_batch);
  std::vector<at::Tensor> numbers(static_cast<size_t>(microbatches.count()));  // each [B, T]
  passes.listen(
      microbatches.count(), [&](int64_t microbatch) { return microbatches.rows_at(microbatch); },
      [&](int64_t microbatch, const at::Tensor& hidden, const trainer::Rows& rows) {
        numbers[static_cast<size_t>(microbatch)] =
            whole_time(passes.model(), numbers_of(hidden, rows).to(at::kDouble));
      });
  auto options = at::TensorOptions(passes.model().parameters().device()).dtype(at::kDouble);
  for (int64_t m = 0; m < microbatches.count(); ++m) {
    int64_t time = microbatches.time(m);
    at::Tensor rows = passes.from_last(numbers[static_cast<size_t>(m)], {microbatches.rows(), time}, options);
    rows = rows.to(at::kCPU).contiguous();
    for (int64_t row = 0; row < rows.size(0); ++row) {
      auto index = static_cast<size_t>(m * microbatches.rows() + row);
      if (index < episodes.size()) take(index, rows.const_data_ptr<double>() + row * time);
    }
  }
}

// The places whose targets are the answer's tokens.
std::vector<double> answer_of(const Episode& episode, const double* row) {
  const double* begin = row + episode.prompt_size() - 1;
  return {begin, begin + episode.response_size()};
}

}  // namespace

std::vector<std::vector<double>> answer_log_probabilities(trainer::Passes& passes,
                                                          const std::vector<const Episode*>& episodes,
                                                          const ScoringSettings& settings) {
  std::vector<std::vector<double>> found(episodes.size());
  const trainer::Transformer& model = passes.model();
  auto numbers = [&](const at::Tensor& hidden, const trainer::Rows& rows) {
    at::Tensor whole = whole_hidden(model, hidden);
    if (settings.temperature != 1) whole = whole / settings.temperature;
    return trainer::target_log_probabilities(whole.flatten(0, 1), model.output_weight(),
                                             rows.targets.flatten(), settings.chunk, model.part().tensor)
        .view_as(rows.targets);
  };
  each_row(passes, episodes, settings.micro_batch, numbers,
           [&](size_t i, const double* row) { found[i] = answer_of(*episodes[i], row); });
  return found;
}

std::vector<std::vector<double>> answer_values(trainer::Passes& passes,
                                               const std::vector<const Episode*>& episodes,
                                               const ScoringSettings& settings) {
  std::vector<std::vector<double>> found(episodes.size());
  each_row(
      passes, episodes, settings.micro_batch,
      [&](const at::Tensor& hidden, const trainer::Rows&) { return passes.model().values(hidden); },
      [&](size_t i, const double* row) { found[i] = answer_of(*episodes[i], row); });
  return found;
}

std::vector<double> end_scores(trainer::Passes& passes, const std::vector<const Episode*>& episodes,
                               const ScoringSettings& settings) {
  std::vector<double> found(episodes.size());
  each_row(
      passes, episodes, settings.micro_batch,
      [&](const at::Tensor& hidden, const trainer::Rows&) { return passes.model().values(hidden); },
      [&](size_t i, const double* row) { found[i] = row[length_of(*episodes[i]) - 1]; });
  return found;
}

}  // namespace sextant::rlhf
