#include "trainer/plan/estimate.h"

#include <algorithm>

#include "trainer/model/flops.h"
#include "trainer/model/model_rules.h"
#include "trainer/model/transformer.h"

namespace sextant::trainer {
namespace {

using parallel::MeshSettings;
using parallel::Verb;

class Calls {
 public:
  Calls(const Run& config, const MeshSettings& mesh, int64_t ranks)
      : config_(config),
        mesh_(mesh),
        precision_(precision_of(config.numerics().compute())),
        replicas_(ranks / (int64_t{mesh.tensor()} * mesh.pipeline())),
        shards_(mesh.has_shard() ? std::min(replicas_, int64_t{mesh.shard()} * mesh.context()) : replicas_),
        layers_(static_cast<double>(config.model().layers()) / mesh.pipeline()) {}

  EstimatedCalls found() {
    sums();
    if (mesh_.zero_stage() >= 3) gathered_weights();
    tensor();
    context();
    experts();
    pipeline();
    return std::move(calls_);
  }

 private:
  const ModelSettings& model() const { return config_.model(); }
  // Bytes of a microbatch's channels on a rank of the context axis.
  double channels() const {
    return static_cast<double>(config_.run().micro_batch()) * model().context() / mesh_.context() *
           model().width() * size(precision_.compute);
  }
  double weights() const {
    return static_cast<double>(model_elements(model())) / (mesh_.tensor() * mesh_.pipeline());
  }
  static double size(at::ScalarType type) { return static_cast<double>(c10::elementSize(type)); }

  // `apart`: ranks of the world from one member to the next.
  void each_microbatch(Verb verb, int64_t members, int64_t apart, double bytes, double times) {
    if (members < 2 || times <= 0) return;
    calls_.of_microbatch[{verb, precision_.compute, members, span(members, apart),
                          static_cast<int64_t>(bytes)}] += times;
  }
  static int64_t span(int64_t members, int64_t apart) { return (members - 1) * apart + 1; }
  // Of all weights, in buckets; `part` of each.
  void each_step(Verb verb, at::ScalarType type, int64_t members, int64_t apart, double part = 1) {
    double bytes = weights() * size(type);
    double buckets = std::max(1.0, bytes / static_cast<double>(mesh_.bucket_bytes()));
    if (members < 2) return;
    calls_
        .of_step[{verb, type, members, span(members, apart), static_cast<int64_t>(bytes * part / buckets)}] +=
        buckets;
  }

  void sums() {
    int64_t apart = mesh_.tensor();
    if (mesh_.zero_stage() == 0) return each_step(Verb::kAllReduce, precision_.master, replicas_, apart);
    each_step(Verb::kReduceScatter, precision_.master, shards_, apart);
    each_step(Verb::kAllReduce, precision_.master, replicas_ / shards_, shards_ * apart,
              1 / static_cast<double>(shards_));
    if (mesh_.zero_stage() < 3) each_step(Verb::kAllGather, precision_.compute, shards_, apart);
  }
  // ZeRO 3: every block's weights for forward and again for backward.
  void gathered_weights() {
    double block = weights() / layers_ * size(precision_.compute);
    each_microbatch(Verb::kAllGather, shards_, mesh_.tensor(), block, 2 * layers_);
  }
  // Two gathers and two scatters a block, and the same in backward, where the gathered are gathered again
  // (Korthikanti et al. 2023, section 4.2).
  void tensor() {
    each_microbatch(Verb::kAllGather, mesh_.tensor(), 1, channels(), 6 * layers_);
    each_microbatch(Verb::kReduceScatter, mesh_.tensor(), 1, channels(), 4 * layers_);
  }
  void context() {
    double keys = channels() * 2 * model().kv_heads() / model().heads() / mesh_.tensor();
    if (mesh_.context_kind() == MeshSettings::ulysses) {
      return each_microbatch(Verb::kAllToAll, mesh_.context(), mesh_.tensor(), channels() / mesh_.tensor(),
                             8 * layers_);
    }
    // Keys and values once round in forward; in backward with their gradients.
    each_microbatch(Verb::kSend, mesh_.context(), mesh_.tensor(), keys, 3 * layers_ * (mesh_.context() - 1));
  }
  void experts() {
    if (model().experts().count() == 0) return;
    double sent = channels() * model().experts().per_token();
    each_microbatch(Verb::kAllToAll, mesh_.expert(), int64_t{mesh_.context()} * mesh_.tensor(), sent,
                    4 * static_cast<double>(expert_layers(model())) / mesh_.pipeline());
  }
  void pipeline() {
    double chunks = static_cast<double>(parallel::schedule_shape(mesh_, 1).chunks);
    // To the neighbour alone, past all ranks of a stage.
    if (mesh_.pipeline() > 1)
      each_microbatch(Verb::kSend, 2, replicas_ * mesh_.tensor(), channels() / mesh_.tensor(), 2 * chunks);
  }

  const Run& config_;
  const MeshSettings& mesh_;
  Precision precision_;
  int64_t replicas_, shards_;  // ranks with the same weights, and those of them that share them out
  double layers_;              // of a rank
  EstimatedCalls calls_;
};

}  // namespace

EstimatedCalls estimated_calls(const Run& config, const MeshSettings& mesh, int64_t ranks) {
  return Calls(config, mesh, ranks).found();
}

RankTimes estimated_times(const Run& config, const MeshSettings& mesh, const Speed& speed) {
  double tokens = static_cast<double>(config.run().micro_batch()) * config.model().context();
  double flops = training_flops_per_token(config.model()) * tokens /
                 (static_cast<double>(mesh.tensor()) * mesh.context() * mesh.pipeline());
  double seconds = flops / (speed.peak_flops * speed.share);
  bool again = config.numerics().recompute() == NumericsSettings::full;
  RankTimes times;
  times.forward = seconds / 3;
  times.backward = seconds * (again ? 3.0 : 2.0) / 3;
  return times;
}

}  // namespace sextant::trainer
