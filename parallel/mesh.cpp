#include "parallel/mesh.h"

namespace sextant::parallel {
namespace {

// The group of the ranks with equal `color`; no communicator is spent on a rank by itself.
std::unique_ptr<Group> axis(Group& world, int64_t ranks, int64_t color, const char* name) {
  return ranks == 1 ? single_rank_group(name) : world.split(color, world.rank().value(), name);
}

}  // namespace

Mesh::Mesh(const MeshSettings& settings, Group& world)
    : world_(world), layout_(layout_for(settings, world.size())), at_(coordinate_of(layout_, world.rank())) {
  // A group's color is the rank that stands at its start: its own axis at 0, the others as here.
  auto start = [&](auto move) {
    Coordinate first = at_;
    move(first);
    return rank_at(layout_, first).value();
  };
  pipeline_ = axis(world, layout_.pipeline, start([](Coordinate& c) { c.pipeline = 0; }), "pipeline");
  data_ = axis(world, layout_.data, start([](Coordinate& c) { c.data = 0; }), "data");
  context_ = axis(world, layout_.context, start([](Coordinate& c) { c.context = 0; }), "context");
  tensor_ = axis(world, layout_.tensor, start([](Coordinate& c) { c.tensor = 0; }), "tensor");
  expert_ =
      axis(world, layout_.expert, start([&](Coordinate& c) { c.data -= c.data % layout_.expert; }), "expert");
  replicas_ = axis(world, layout_.data * layout_.context,
                   start([](Coordinate& c) { c.data = c.context = 0; }), "replicas");
  model_ = axis(world, layout_.pipeline * layout_.tensor,
                start([](Coordinate& c) { c.pipeline = c.tensor = 0; }), "model");
}

}  // namespace sextant::parallel
