#include "trainer/config/context_rules.h"

#include <fmt/format.h>

#include <numeric>

namespace sextant::trainer {
namespace {

using parallel::MeshSettings;

// "192 or 256": the multiples of `part` on both sides of `near`.
std::string multiples_near(int64_t part, int64_t near) {
  int64_t below = near / part * part;
  if (below == 0) return fmt::format("{}", part);
  return fmt::format("{} or {}", below, below + part);
}

std::vector<Complaint> head_complaints(const ModelSettings& model, const MeshSettings& mesh) {
  int64_t ranks = int64_t{mesh.context()} * mesh.tensor();
  if (mesh.context_kind() != MeshSettings::ulysses || model.heads() % ranks == 0) return {};
  return {{"parallel.context_kind",
           fmt::format("ulysses gives each rank whole heads, and {} of model.heads can not be shared by "
                       "parallel.context({})*parallel.tensor({})={} ranks; set parallel.context_kind=ring",
                       model.heads(), mesh.context(), mesh.tensor(), ranks)}};
}

}  // namespace

std::vector<Complaint> context_complaints(const Run& run) {
  const MeshSettings& mesh = run.parallel();
  if (mesh.context() == 1) return {};
  std::vector<Complaint> found = head_complaints(run.model(), mesh);
  // A ring's rank holds two pieces; its tensor ranks share what it holds.
  bool ring = mesh.context_kind() == MeshSettings::ring;
  int64_t pieces = int64_t{mesh.context()} * (ring ? 2 : 1);
  int64_t shards = int64_t{mesh.context()} * mesh.tensor();
  int64_t together = std::lcm(pieces, shards);
  if (run.model().context() % together == 0) return found;
  found.push_back(
      {"parallel.context",
       fmt::format("sequences of model.context={} tokens can not be cut into {} equal pieces ({} for each of "
                   "{} context ranks, which {} tensor rank{} share{}); set model.context={}",
                   run.model().context(), together, ring ? "two" : "one", mesh.context(), mesh.tensor(),
                   mesh.tensor() == 1 ? "" : "s", mesh.tensor() == 1 ? "s" : "",
                   multiples_near(together, run.model().context()))});
  return found;
}

}  // namespace sextant::trainer
