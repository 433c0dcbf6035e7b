#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "data/batch.h"
#include "parallel/deferred_sinks.h"
#include "parallel/group.h"
#include "parallel/pipeline.h"
#include "trainer/kernels/target_scores.h"
#include "trainer/loss.h"
#include "trainer/metrics/breakdown.h"
#include "trainer/model/transformer.h"

namespace sextant::trainer {

// What a rank adds to the totals of all ranks: for each microbatch {sum of losses, positions that count}, [2]
// fp64 on the model's device. Empty on every rank but those that hold the last stage, and of the ranks that
// share its matrix multiplies on all but the first.
using LossParts = std::vector<at::Tensor>;

// Takes what the last stage gives for a microbatch, see Transformer::forward_stage.
using Listener = std::function<void(int64_t microbatch, const at::Tensor& hidden, const Rows& rows)>;

// Takes microbatches through the stages that the ranks of a pipeline hold, in the order of the run's
// schedule: for training, evaluation and generation. A model in one piece is one stage, and the same lists
// and the same engine run it. All ranks of the pipeline call the same methods, with equal tokens.
//
// B rows, T time of this rank, C channels, V vocabulary.
class Passes {
 public:
  // A whole model on this rank alone.
  explicit Passes(const Transformer& model);
  // All ranks of `pipeline` must call. What is borrowed must outlive this. The model's stages are those that
  // the settings give this rank (stages_of_rank).
  Passes(const Transformer& model, parallel::Group& pipeline, const parallel::MeshSettings& settings);

  // Forward and backward of all microbatches of `micro_batch` rows. Gradients arrive as autograd and sinks
  // bring them; `sinks` stand before the model's sinks and put weight gradients off where the schedule has
  // them apart.
  LossParts train(const data::Batch& batch, int64_t micro_batch, const LossFunction& loss,
                  parallel::DeferredSinks& sinks, Breakdown& breakdown);

  // Forwards alone, of `count` microbatches, of one shape where a pipeline has several ranks. Those that hold
  // the last stage are told what it gives for each.
  void listen(int64_t count, const std::function<Rows(int64_t microbatch)>& rows, const Listener& listener);
  // The losses of such.
  LossParts evaluate(int64_t count, const std::function<Rows(int64_t microbatch)>& rows,
                     const LossFunction& loss);

  // The last layer's channels of new tokens, [B, T, C] on every rank; see Transformer::forward.
  at::Tensor hidden(const at::Tensor& tokens, const at::Tensor& positions, Cache& cache);
  // The same of one row whose tokens are branches behind what a cache of one row holds, [1, T, C].
  at::Tensor hidden(const at::Tensor& tokens, const at::Tensor& positions,
                    const std::vector<Branch>& branches, Cache& kept);
  // hidden [B, C], equal on every rank, to logits [B, V] on every rank; see Transformer::logits.
  at::Tensor logits(const at::Tensor& hidden);
  // target_scores of hidden [N, C], equal on every rank, on every rank.
  TargetScores score(const at::Tensor& hidden, const at::Tensor& rows, const at::Tensor& targets);

  // What the rank with the last stage has, of this shape and type, on every rank of the pipeline.
  at::Tensor from_last(const at::Tensor& there, at::IntArrayRef shape, at::TensorOptions options);

  const Transformer& model() const { return model_; }
  bool pipelined() const { return pipeline_.size() > 1; }
  // Whether this rank's losses are added to the others': of the ranks that share the last stage's matrix
  // multiplies the first.
  bool adds_losses() const;

 private:
  const Transformer& model_;
  parallel::MeshSettings settings_;
  std::unique_ptr<parallel::Group> alone_;  // where no pipeline was given
  parallel::Group& pipeline_;
  parallel::PipelineEngine engine_;

  parallel::ScheduleShape shape(int64_t microbatches) const {
    return parallel::schedule_shape(settings_, microbatches);
  }
  Rank last_rank() const;
  at::Tensor hidden(const Rows& rows, Cache& cache);
  // What goes from stage to stage, [B, T, C]; in training for tokens [B, T]: of a shard of time where ranks
  // share the model.
  parallel::ActivationType activation_type(int64_t rows, int64_t time) const;
  parallel::ActivationType trained_type(const Rows& rows) const;
};

}  // namespace sextant::trainer
