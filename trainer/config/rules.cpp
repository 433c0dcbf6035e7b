#include "trainer/config/rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "parallel/fixed_point.h"
#include "trainer/config/context_rules.h"
#include "trainer/config/load.h"
#include "trainer/model/model_rules.h"
#include "trainer/model/stages.h"
#include "trainer/model/tensor_rules.h"
#include "trainer/optimizer/optimizer_rules.h"

namespace sextant::trainer {
namespace {

using parallel::MeshSettings;

// The maxima of the axes (2^20 data ranks, 2^14 of the others) keep products of all four below 2^63.
int64_t ranks_beside_data(const MeshSettings& mesh) {
  return int64_t{mesh.pipeline()} * mesh.context() * mesh.tensor();
}

void append(std::vector<Complaint>& all, std::vector<Complaint> some) {
  all.insert(all.end(), std::make_move_iterator(some.begin()), std::make_move_iterator(some.end()));
}

std::vector<Complaint> shard_complaints(const MeshSettings& mesh) {
  std::vector<Complaint> found;
  auto complain = [&](const std::string& text) { found.push_back({"parallel.shard", text}); };
  if (mesh.zero_stage() == 0)
    complain("nothing is shared out; set parallel.zero_stage=1, 2 or 3, or leave parallel.shard out");
  if (mesh.has_data() && mesh.data() % mesh.shard() != 0)
    complain(fmt::format("{} shard ranks do not divide {} data ranks", mesh.shard(), mesh.data()));
  if (mesh.shard() % mesh.expert() != 0) {
    complain(
        fmt::format("{} shard ranks can not be cut into groups of {} expert ranks; set parallel.shard={}",
                    mesh.shard(), mesh.expert(), mesh.expert() * (mesh.shard() / mesh.expert() + 1)));
  }
  return found;
}

std::vector<Complaint> mesh_complaints(const MeshSettings& mesh, int64_t world_size) {
  std::vector<Complaint> found;
  if (mesh.has_data() && mesh.data() % mesh.expert() != 0) {
    found.push_back({"parallel.expert",
                     fmt::format("{} expert ranks do not divide {} data ranks", mesh.expert(), mesh.data())});
  }
  if (mesh.has_shard()) append(found, shard_complaints(mesh));
  if (world_size == 0) return found;
  int64_t others = ranks_beside_data(mesh);
  bool divides = world_size % others == 0;
  if (!mesh.has_data()) {
    if (!divides) {
      found.push_back(
          {"parallel",
           fmt::format("mesh pipeline({})*context({})*tensor({})={} does not divide the {} "
                       "ranks that mpirun started; start a multiple of {} ranks",
                       mesh.pipeline(), mesh.context(), mesh.tensor(), others, world_size, others)});
    }
    return found;
  }
  int64_t product = mesh.data() * others;
  if (product == world_size) return found;
  std::string fix = divides
                        ? fmt::format("set parallel.data={}, or start {} ranks", world_size / others, product)
                        : fmt::format("start {} ranks", product);
  found.push_back(
      {"parallel.data",
       fmt::format("mesh pipeline({})*data({})*context({})*tensor({})={} but mpirun started {} ranks; {}",
                   mesh.pipeline(), mesh.data(), mesh.context(), mesh.tensor(), product, world_size, fix)});
  return found;
}

// Ranks that take different rows, or 0 where that is not known or the mesh does not fit.
int64_t data_ranks(const MeshSettings& mesh, int64_t world_size) {
  if (mesh.has_data()) return mesh.data();
  int64_t others = ranks_beside_data(mesh);
  return world_size % others == 0 ? world_size / others : 0;
}

// The largest micro batch, no larger than the one asked for, that divides each data rank's share.
std::string other_micro_batch(int64_t global, int64_t micro, int64_t data) {
  if (data == 0 || global % data != 0) return "";
  int64_t share = global / data;
  for (int64_t size = std::min(micro, share); size >= 1; --size) {
    if (share % size == 0) return fmt::format(", or run.micro_batch={}", size);
  }
  return "";
}

std::vector<Complaint> batch_complaints(const RunSettings& run, const MeshSettings& mesh,
                                        int64_t world_size) {
  int64_t data = data_ranks(mesh, world_size);
  int64_t together = run.micro_batch() * std::max<int64_t>(data, 1);
  if (run.global_batch() % together == 0) return {};
  int64_t below = run.global_batch() / together * together;
  std::string sizes =
      below == 0 ? fmt::format("{}", together) : fmt::format("{} or {}", below, below + together);
  std::string parts =
      data == 0 ? fmt::format("run.micro_batch({})", run.micro_batch())
                : fmt::format("run.micro_batch({})*data ranks({})={}", run.micro_batch(), data, together);
  return {{"run.global_batch",
           fmt::format(
               "{} sequences can not be divided by {}; set run.global_batch={}{}", run.global_batch(), parts,
               sizes, other_micro_batch(run.global_batch(), run.micro_batch(), std::max<int64_t>(data, 1)))}};
}

std::vector<Complaint> run_complaints(const RunSettings& run) {
  std::vector<Complaint> found;
  if (run.has_stop_at() && run.stop_at() > run.steps()) {
    found.push_back(
        {"run.stop_at", fmt::format("{} is after the last step, run.steps={}; set it to {} or less, or "
                                    "remove it",
                                    run.stop_at(), run.steps(), run.steps())});
  }
  if (run.keep_every() > 0 &&
      (run.checkpoint_every() == 0 || run.keep_every() % run.checkpoint_every() != 0)) {
    found.push_back(
        {"run.keep_every",
         fmt::format("{} is no multiple of run.checkpoint_every={}, so these steps have no checkpoint to "
                     "keep",
                     run.keep_every(), run.checkpoint_every())});
  }
  return found;
}

std::vector<Complaint> data_complaints(const Run& run) {
  std::vector<Complaint> found;
  const data::DataSettings& data = run.data();
  if (data.valid_fraction() > 0 && data.valid_size() > 0) {
    found.push_back(
        {"data.valid_fraction",
         fmt::format("{} of the training data would be held out beside the {} corpora of data.valid; give "
                     "one of the two",
                     data.valid_fraction(), data.valid_size())});
  }
  if (run.run().evaluate_every() > 0 && data.valid_fraction() == 0 && data.valid_size() == 0) {
    found.push_back({"run.evaluate_every",
                     "there is no held-out data to measure on; give data.valid or data.valid_fraction"});
  }
  return found;
}

// Reproducible sums are integers of FixedPoint::kBits: only so many of them are sure to fit 63 bits. And what
// they sum must belong to one microbatch, but an owner's product for an expert is over rows of several ranks.
std::vector<Complaint> reduction_complaints(const Run& run) {
  if (run.numerics().reduction() != NumericsSettings::reproducible) return {};
  if (run.parallel().expert() > 1) {
    return {{"numerics.reduction",
             fmt::format("reproducible sums are over the gradients of single microbatches, but "
                         "parallel.expert={} joins rows of several ranks in one product; set "
                         "parallel.expert=1, or numerics.reduction=fast",
                         run.parallel().expert())}};
  }
  constexpr double kMost = int64_t{1} << (63 - parallel::FixedPoint::kBits);
  const RunSettings& settings = run.run();
  int64_t microbatches = settings.global_batch() / settings.micro_batch();
  auto tokens = static_cast<double>(settings.micro_batch()) * run.model().context();
  // A gradient comes once for each use of the weight, at most for each chunk of the loss and once more.
  double chunks = tokens / static_cast<double>(run.numerics().loss_chunk()) + 2;
  int64_t shards = std::max(run.parallel().tensor(), run.numerics().tensor_blocks());
  double numbers = static_cast<double>(microbatches) * chunks * run.parallel().context() * shards;
  if (numbers <= kMost) return {};
  return {{"numerics.reduction",
           fmt::format("reproducible sums have room for {:.0f} gradients a step, but run.global_batch({})/"
                       "run.micro_batch({}) microbatches may bring {:.0f}; raise run.micro_batch or "
                       "numerics.loss_chunk, or set numerics.reduction=fast",
                       kMost, settings.global_batch(), settings.micro_batch(), numbers)}};
}

// Between the model's experts and the ranks that share them.
std::vector<Complaint> expert_complaints(const Run& run) {
  int64_t ranks = run.parallel().expert(), experts = run.model().experts().count();
  if (ranks == 1 || (experts > 0 && experts % ranks == 0)) return {};
  if (experts == 0) {
    return {
        {"parallel.expert",
         fmt::format("{} ranks can not share the experts of a model that has none; set parallel.expert=1, or "
                     "give model.experts.count",
                     ranks)}};
  }
  return {
      {"parallel.expert", fmt::format("{} ranks do not divide model.experts.count={}; set parallel.expert={}",
                                      ranks, experts, std::gcd(ranks, experts))}};
}

}  // namespace

std::vector<Complaint> complaints(const Run& run, int64_t world_size, RowsFrom rows) {
  std::vector<Complaint> all = model_complaints(run.model());
  append(all, optimizer_complaints(run.optimizer(), run.run().steps()));
  append(all, run_complaints(run.run()));
  if (rows == RowsFrom::kShards) append(all, data_complaints(run));
  append(all, expert_complaints(run));
  append(all, mesh_complaints(run.parallel(), world_size));
  append(all, context_complaints(run));
  append(all, tensor_complaints(run.model(), run.parallel()));
  append(all, block_complaints(run.model(), run.numerics(), run.parallel()));
  append(all, batch_complaints(run.run(), run.parallel(), world_size));
  append(all, reduction_complaints(run));
  append(all, stage_complaints(run.model(), run.parallel()));
  return all;
}

void fill_defaults(Run& run, int64_t tokenizer_vocabulary) {
  // What follows from other fields comes first, while it is seen which ones were left out; the constants that
  // it follows from read the same whether they are set or not.
  fill_model_defaults(*run.mutable_model(), tokenizer_vocabulary);
  fill_optimizer_defaults(*run.mutable_optimizer(), run.run().steps());
  set_constant_defaults(run);
}

}  // namespace sextant::trainer
