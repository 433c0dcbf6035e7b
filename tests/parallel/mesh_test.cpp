#include "parallel/mesh.h"

#include <gtest/gtest.h>

#include <atomic>

#include "parallel/base/error.h"
#include "parallel/group_threads.h"

namespace sextant::parallel::mesh_test {
namespace {

std::vector<int64_t> world_ranks(const Group& group) {
  std::vector<int64_t> ranks;
  for (int64_t r = 0; r < group.size(); ++r) ranks.push_back(group.world_rank(Rank(r)).value());
  return ranks;
}

using Ranks = std::vector<int64_t>;

TEST(Mesh, EachAxisIsAGroupThroughThisRank) {
  MeshSettings settings;
  settings.set_pipeline(2);
  settings.set_context(2);
  run_ranks(8, [&](Group& world) {
    Mesh mesh(settings, world);  // pipeline 2, data 2, context 2, tensor 1
    EXPECT_EQ(mesh.layout_text(), "data=2 tensor=1 pipeline=2 context=2 expert=1 zero=0");
    if (world.rank() != Rank(5)) return;
    EXPECT_EQ(mesh.at(), (Coordinate{1, 0, 1, 0}));
    EXPECT_EQ(world_ranks(mesh.pipeline()), (Ranks{1, 5}));
    EXPECT_EQ(world_ranks(mesh.data()), (Ranks{5, 7}));
    EXPECT_EQ(world_ranks(mesh.context()), (Ranks{4, 5}));
    EXPECT_EQ(mesh.tensor().size(), 1);
    EXPECT_EQ(mesh.expert().size(), 1);
    EXPECT_EQ(world_ranks(mesh.replicas()), (Ranks{4, 5, 6, 7}));
    EXPECT_EQ(world_ranks(mesh.model()), (Ranks{1, 5}));
    EXPECT_EQ(mesh.data().name(), "data");
  });
}

TEST(Mesh, ExpertsAreNeighboursOnTheDataAxis) {
  MeshSettings settings;
  settings.set_tensor(2);
  settings.set_expert(2);
  run_ranks(8, [&](Group& world) {
    Mesh mesh(settings, world);  // data 4, tensor 2
    if (world.rank() != Rank(7)) return;
    EXPECT_EQ(world_ranks(mesh.expert()), (Ranks{5, 7}));
    EXPECT_EQ(world_ranks(mesh.data()), (Ranks{1, 3, 5, 7}));
    EXPECT_EQ(world_ranks(mesh.tensor()), (Ranks{6, 7}));
  });
}

TEST(Mesh, AMeshThatDoesNotFitIsRefusedOnEveryRank) {
  MeshSettings settings;
  settings.set_data(3);
  std::atomic<int> refusals = 0;
  run_ranks(2, [&](Group& world) {
    EXPECT_THROW(Mesh(settings, world), Error);
    ++refusals;
    world.barrier();
  });
  EXPECT_EQ(refusals, 2);
}

}  // namespace
}  // namespace sextant::parallel::mesh_test
