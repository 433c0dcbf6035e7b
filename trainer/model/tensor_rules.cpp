#include "trainer/model/tensor_rules.h"

#include <fmt/format.h>

namespace sextant::trainer {
namespace {

// The greatest number of ranks, no more than there are, that heads and key heads can be shared by.
int64_t fitting_ranks(int64_t ranks, int64_t heads, int64_t kv_heads) {
  auto fits = [&](int64_t n) { return heads % n == 0 && (kv_heads % n == 0 || n % kv_heads == 0); };
  while (!fits(ranks)) --ranks;
  return ranks;
}

int64_t rounded_up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace

std::vector<Complaint> tensor_complaints(const ModelSettings& model, const parallel::MeshSettings& mesh) {
  int64_t ranks = mesh.tensor();
  if (ranks == 1) return {};
  std::vector<Complaint> found;
  int64_t heads = model.heads(), kv_heads = model.has_kv_heads() ? model.kv_heads() : heads;
  if (heads % ranks != 0) {
    found.push_back(
        {"parallel.tensor", fmt::format("{} ranks can not share model.heads={} evenly; set "
                                        "parallel.tensor={}, or model.heads to a multiple of {}",
                                        ranks, heads, fitting_ranks(ranks, heads, kv_heads), ranks)});
  } else if (kv_heads % ranks != 0 && ranks % kv_heads != 0) {
    found.push_back(
        {"parallel.tensor",
         fmt::format("{} ranks and model.kv_heads={}: one must be a multiple of the other, so that each "
                     "rank has the key heads that its query heads read; set parallel.tensor={}",
                     ranks, kv_heads, fitting_ranks(ranks, heads, kv_heads))});
  }
  auto divisible = [&](const char* key, int64_t value, int64_t parts, const std::string& shared_by) {
    if (value % parts == 0) return;
    found.push_back({key, fmt::format("{} is not divisible by {}; set {}={}", value, shared_by, key,
                                      rounded_up(value, parts))});
  };
  std::string by = fmt::format("parallel.tensor={}", ranks);
  if (model.has_ffn_width()) divisible("model.ffn_width", model.ffn_width(), ranks, by);
  if (model.has_vocabulary()) divisible("model.vocabulary", model.vocabulary(), ranks, by);
  int64_t shards = ranks * mesh.context();
  if (mesh.context() > 1)
    by = fmt::format("parallel.context({})*tensor({})={}", mesh.context(), ranks, shards);
  divisible("model.context", model.context(), shards, by);
  return found;
}

}  // namespace sextant::trainer
