#include "rlhf/model_scores.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <functional>

#include "parallel/autograd_collectives.h"
#include "rlhf/episode_rows.h"
#include "trainer/kernels/linear_cross_entropy.h"
#include "trainer/loss.h"

namespace sextant::rlhf {
namespace {

// A number for each place of each row, [B, T].
using NumbersOf = std::function<at::Tensor(const at::Tensor& hidden, const trainer::Rows& rows)>;

// Calls `take` with each episode's index and its row's numbers, fp64 on the CPU.
void each_row(const trainer::Transformer& model, const std::vector<const Episode*>& episodes,
              int64_t micro_batch, const NumbersOf& numbers_of,
              const std::function<void(size_t, const double*)>& take) {
  at::NoGradGuard no_gradient;
  for (size_t first = 0; first < episodes.size(); first += static_cast<size_t>(micro_batch)) {
    size_t last = std::min(episodes.size(), first + static_cast<size_t>(micro_batch));
    std::vector<const Episode*> some(episodes.begin() + static_cast<std::ptrdiff_t>(first),
                                     episodes.begin() + static_cast<std::ptrdiff_t>(last));
    data::Batch batch = episode_rows(some, row_time(some, model));
    trainer::Rows rows = trainer::rows_of(batch, 0, batch.rows, model.parameters().device(), {});
    at::Tensor x;
    for (size_t stage = 0; stage < model.stages(); ++stage) x = model.forward_stage(stage, x, rows);
    at::Tensor numbers = numbers_of(x, rows).to(at::kDouble).to(at::kCPU).contiguous();  // [B, T]
    for (size_t i = first; i < last; ++i)
      take(i, numbers.data_ptr<double>() + static_cast<int64_t>(i - first) * batch.time);
  }
}

// The places whose targets are the answer's tokens.
std::vector<double> answer_of(const Episode& episode, const double* row) {
  const double* begin = row + episode.prompt_size() - 1;
  return {begin, begin + episode.response_size()};
}

}  // namespace

at::Tensor whole_hidden(const trainer::Transformer& model, const at::Tensor& hidden) {
  parallel::Group* tensor = model.part().tensor;
  return tensor == nullptr ? hidden : parallel::gather(hidden, 1, *tensor);
}

std::vector<std::vector<double>> answer_log_probabilities(const trainer::Transformer& model,
                                                          const std::vector<const Episode*>& episodes,
                                                          const ScoringSettings& settings) {
  std::vector<std::vector<double>> found(episodes.size());
  auto numbers = [&](const at::Tensor& hidden, const trainer::Rows& rows) {
    at::Tensor whole = whole_hidden(model, hidden);
    if (settings.temperature != 1) whole = whole / settings.temperature;
    return trainer::target_log_probabilities(whole.flatten(0, 1), model.output_weight(),
                                             rows.targets.flatten(), settings.chunk, model.part().tensor)
        .view_as(rows.targets);
  };
  each_row(model, episodes, settings.micro_batch, numbers,
           [&](size_t i, const double* row) { found[i] = answer_of(*episodes[i], row); });
  return found;
}

std::vector<std::vector<double>> answer_values(const trainer::Transformer& model,
                                               const std::vector<const Episode*>& episodes,
                                               const ScoringSettings& settings) {
  std::vector<std::vector<double>> found(episodes.size());
  each_row(
      model, episodes, settings.micro_batch,
      [&](const at::Tensor& hidden, const trainer::Rows&) { return model.values(hidden); },
      [&](size_t i, const double* row) { found[i] = answer_of(*episodes[i], row); });
  return found;
}

std::vector<double> end_scores(const trainer::Transformer& model, const std::vector<const Episode*>& episodes,
                               const ScoringSettings& settings) {
  std::vector<double> found(episodes.size());
  each_row(
      model, episodes, settings.micro_batch,
      [&](const at::Tensor& hidden, const trainer::Rows&) { return model.values(hidden); },
      [&](size_t i, const double* row) { found[i] = row[length_of(*episodes[i]) - 1]; });
  return found;
}

int64_t row_time(const std::vector<const Episode*>& episodes, const trainer::Transformer& model) {
  int64_t longest = 1, ranks = model.part().tensor == nullptr ? 1 : model.part().tensor->size();
  for (const Episode* episode : episodes) longest = std::max(longest, length_of(*episode));
  return (longest + ranks - 1) / ranks * ranks;
}

}  // namespace sextant::rlhf
