#include "parallel/mesh.h"

#include <functional>

namespace sextant::parallel {
namespace {

// A group's color is the rank that stands at its start: where `move` takes a rank's place.
using Move = std::function<void(Coordinate& at)>;

// The group of the ranks with one start; no communicator is spent on a rank by itself.
std::unique_ptr<Group> axis(Group& world, const Layout& layout, int64_t ranks, const char* name,
                            const Move& move) {
  if (ranks == 1) return single_rank_group(name);
  auto seating = [&](Rank member) {
    Coordinate first = coordinate_of(layout, member);
    move(first);
    return Seat{rank_at(layout, first).value(), member.value()};
  };
  return world.split(seating, name);
}

}  // namespace

Mesh::Mesh(const MeshSettings& settings, Group& world)
    : world_(world), layout_(layout_for(settings, world.size())), at_(coordinate_of(layout_, world.rank())) {
  const Layout& all = layout_;
  pipeline_ = axis(world, all, all.pipeline, "pipeline", [](Coordinate& c) { c.pipeline = 0; });
  data_ = axis(world, all, all.data, "data", [](Coordinate& c) { c.data = 0; });
  context_ = axis(world, all, all.context, "context", [](Coordinate& c) { c.context = 0; });
  tensor_ = axis(world, all, all.tensor, "tensor", [](Coordinate& c) { c.tensor = 0; });
  expert_ = axis(world, all, all.expert, "expert", [&](Coordinate& c) { c.data -= c.data % all.expert; });
  replicas_ =
      axis(world, all, all.data * all.context, "replicas", [](Coordinate& c) { c.data = c.context = 0; });
  model_ =
      axis(world, all, all.pipeline * all.tensor, "model", [](Coordinate& c) { c.pipeline = c.tensor = 0; });
}

}  // namespace sextant::parallel
