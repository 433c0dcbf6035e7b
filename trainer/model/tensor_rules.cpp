#include "trainer/model/tensor_rules.h"

#include <fmt/format.h>

#include <bit>

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

std::vector<Complaint> block_complaints(const ModelSettings& model, const NumericsSettings& numerics,
                                        const parallel::MeshSettings& mesh) {
  int64_t blocks = numerics.tensor_blocks();
  if (blocks == 1) return {};
  std::vector<Complaint> found;
  auto complain = [&](const std::string& text) { found.push_back({"numerics.tensor_blocks", text}); };
  if (numerics.reduction() != NumericsSettings::reproducible)
    complain(
        "blocks are for sums that do not depend on the ranks; set numerics.reduction=reproducible, or leave "
        "numerics.tensor_blocks out");
  if (!std::has_single_bit(static_cast<uint64_t>(blocks)))
    complain(fmt::format("{} is no power of two: blocks are summed by pairs; set it to {}", blocks,
                         std::bit_ceil(static_cast<uint64_t>(blocks))));
  if (blocks % mesh.tensor() != 0)
    complain(fmt::format(
        "{} blocks can not be spread evenly over parallel.tensor={}; set it to a multiple of that", blocks,
        mesh.tensor()));
  if (model.experts().count() > 0)
    complain("a layer of experts has no blocks; leave numerics.tensor_blocks out, or model.experts.count");
  if (model.head() == ModelSettings::scalar)
    complain("a scalar head has no blocks; leave numerics.tensor_blocks out");
  auto divides = [&](const char* name, int64_t value, int64_t parts) {
    if (value % parts != 0) complain(fmt::format("{} blocks do not divide {}={} evenly", parts, name, value));
  };
  divides("model.heads", model.heads(), blocks);
  if (model.has_kv_heads()) divides("model.kv_heads", model.kv_heads(), blocks);
  if (model.has_ffn_width()) divides("model.ffn_width", model.ffn_width(), blocks);
  if (model.has_vocabulary()) divides("model.vocabulary", model.vocabulary(), blocks);
  if (model.context() % (blocks * mesh.context()) != 0)
    complain(fmt::format("{} blocks do not divide model.context={} over parallel.context={} evenly", blocks,
                         model.context(), mesh.context()));
  return found;
}

}  // namespace sextant::trainer
