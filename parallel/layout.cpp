#include "parallel/layout.h"

#include <fmt/format.h>

#include "parallel/base/error.h"

namespace sextant::parallel {
namespace {

// The product of four axes within this bound can not overflow.
constexpr int64_t kLargestAxis = 32768;

void check_axis(const char* name, int64_t size) {
  if (size < 1 || size > kLargestAxis) {
    fail_input(fmt::format("parallel.{} is {}; it must be 1 to {}", name, size, kLargestAxis));
  }
}

std::string plural(int64_t ranks) {
  return ranks == 1 ? "there is 1 rank" : fmt::format("there are {} ranks", ranks);
}

// data = what the other axes leave.
int64_t remaining(const Layout& layout, int64_t ranks) {
  int64_t others = layout.pipeline * layout.context * layout.tensor;
  if (ranks % others != 0) {
    fail_input(
        fmt::format("mesh pipeline({})*context({})*tensor({})={} does not divide the ranks, but {}; start a "
                    "multiple of {} ranks (mpirun -n {}) or set smaller axes",
                    layout.pipeline, layout.context, layout.tensor, others, plural(ranks), others,
                    (ranks / others + 1) * others));
  }
  return ranks / others;
}

void check_product(const Layout& layout, int64_t ranks) {
  if (layout.ranks() == ranks) return;
  int64_t others = layout.pipeline * layout.context * layout.tensor;
  std::string remedy = ranks % others == 0
                           ? fmt::format("set parallel.data={}", ranks / others)
                           : fmt::format("start {} ranks (mpirun -n {})", layout.ranks(), layout.ranks());
  fail_input(fmt::format("mesh pipeline({})*data({})*context({})*tensor({})={} but {}; {}", layout.pipeline,
                         layout.data, layout.context, layout.tensor, layout.ranks(), plural(ranks), remedy));
}

void check_shard(Layout& layout) {
  check_axis("shard", layout.shard);
  if (layout.data % layout.shard != 0) {
    fail_input(fmt::format(
        "parallel.shard={} does not divide parallel.data={}: the data axis is cut into groups of so "
        "many ranks; set parallel.shard to a divisor of {}",
        layout.shard, layout.data, layout.data));
  }
  if (layout.shard % layout.expert != 0) {
    fail_input(fmt::format(
        "parallel.shard={} is no multiple of parallel.expert={}: ranks that share experts lie in one "
        "group; set parallel.shard={}",
        layout.shard, layout.expert, layout.expert * (layout.shard / layout.expert + 1)));
  }
  if (layout.shard == layout.data) layout.shard = 0;
}

}  // namespace

Layout layout_for(const MeshSettings& settings, int64_t ranks) {
  Layout layout;
  layout.pipeline = settings.pipeline();
  layout.context = settings.context();
  layout.tensor = settings.tensor();
  layout.expert = settings.expert();
  layout.zero_stage = settings.zero_stage();
  layout.shard = settings.shard();
  check_axis("pipeline", layout.pipeline);
  check_axis("context", layout.context);
  check_axis("tensor", layout.tensor);
  check_axis("expert", layout.expert);
  if (settings.has_data()) check_axis("data", settings.data());
  layout.data = settings.has_data() ? settings.data() : remaining(layout, ranks);
  check_product(layout, ranks);
  if (layout.data % layout.expert != 0) {
    fail_input(
        fmt::format("parallel.expert={} does not divide parallel.data={}: experts are shared by ranks of the "
                    "data axis; set parallel.expert to a divisor of {}",
                    layout.expert, layout.data, layout.data));
  }
  if (settings.has_shard()) check_shard(layout);
  return layout;
}

int64_t shard_group_of(const Layout& layout, Rank rank) {
  return layout.shard == 0 ? 0 : coordinate_of(layout, rank).data / layout.shard;
}

Coordinate coordinate_of(const Layout& layout, Rank rank) {
  expect(rank.value() >= 0 && rank.value() < layout.ranks(), "a rank lies within the mesh");
  int64_t rest = rank.value();
  Coordinate at;
  at.tensor = rest % layout.tensor;
  rest /= layout.tensor;
  at.context = rest % layout.context;
  rest /= layout.context;
  at.data = rest % layout.data;
  at.pipeline = rest / layout.data;
  return at;
}

Rank rank_at(const Layout& layout, const Coordinate& at) {
  return Rank(((at.pipeline * layout.data + at.data) * layout.context + at.context) * layout.tensor +
              at.tensor);
}

std::string layout_text(const Layout& layout) {
  return fmt::format("data={} tensor={} pipeline={} context={} expert={} zero={}", layout.data, layout.tensor,
                     layout.pipeline, layout.context, layout.expert, layout.zero_stage) +
         (layout.shard == 0 ? "" : fmt::format(" shard={}", layout.shard));
}

}  // namespace sextant::parallel
