#include "parallel/layout.h"

#include <gtest/gtest.h>

#include <set>

#include "parallel/base/error.h"

namespace sextant::parallel::layout_test {
namespace {

MeshSettings settings(int32_t pipeline, int32_t data, int32_t context, int32_t tensor) {
  MeshSettings mesh;
  mesh.set_pipeline(pipeline);
  if (data > 0) mesh.set_data(data);
  mesh.set_context(context);
  mesh.set_tensor(tensor);
  return mesh;
}

std::string refusal(const MeshSettings& mesh, int64_t ranks) {
  try {
    layout_for(mesh, ranks);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInput);
    return error.what();
  }
  return "no error";
}

TEST(Layout, DataTakesWhatTheOthersLeave) {
  EXPECT_EQ(layout_for(MeshSettings(), 6).data, 6);
  EXPECT_EQ(layout_for(settings(2, 0, 1, 2), 12),
            (Layout{.pipeline = 2, .data = 3, .context = 1, .tensor = 2}));
}

TEST(Layout, TheProductMustBeTheRanks) {
  EXPECT_EQ(refusal(settings(1, 2, 1, 2), 2),
            "mesh pipeline(1)*data(2)*context(1)*tensor(2)=4 but there are 2 ranks; set parallel.data=1");
  EXPECT_EQ(refusal(settings(1, 2, 1, 1), 1),
            "mesh pipeline(1)*data(2)*context(1)*tensor(1)=2 but there is 1 rank; set parallel.data=1");
  EXPECT_EQ(
      refusal(settings(1, 2, 1, 2), 3),
      "mesh pipeline(1)*data(2)*context(1)*tensor(2)=4 but there are 3 ranks; start 4 ranks (mpirun -n 4)");
  EXPECT_EQ(
      refusal(settings(1, 0, 1, 2), 3),
      "mesh pipeline(1)*context(1)*tensor(2)=2 does not divide the ranks, but there are 3 ranks; start a "
      "multiple of 2 ranks (mpirun -n 4) or set smaller axes");
}

TEST(Layout, AxesAreWithinBounds) {
  EXPECT_EQ(refusal(settings(2147483647, 2147483647, 2147483647, 2147483647), 2),
            "parallel.pipeline is 2147483647; it must be 1 to 32768");
  EXPECT_EQ(refusal(settings(1, 1, 0, 1), 1), "parallel.context is 0; it must be 1 to 32768");
  EXPECT_EQ(refusal(settings(1, 1, 1, -2), 2), "parallel.tensor is -2; it must be 1 to 32768");
}

TEST(Layout, ShardsDivideTheDataAxisAndHoldAllExperts) {
  MeshSettings mesh = settings(1, 8, 1, 2);
  mesh.set_zero_stage(3);
  mesh.set_shard(4);
  Layout layout = layout_for(mesh, 16);
  EXPECT_EQ(layout.shard, 4);
  EXPECT_EQ(layout_text(layout), "data=8 tensor=2 pipeline=1 context=1 expert=1 zero=3 shard=4");
  EXPECT_EQ(shard_group_of(layout, Rank(7)), 0);
  EXPECT_EQ(shard_group_of(layout, Rank(8)), 1);
  mesh.set_shard(8);
  EXPECT_EQ(layout_for(mesh, 16).shard, 0) << "all of them is no cut";
  mesh.set_shard(3);
  EXPECT_EQ(
      refusal(mesh, 16),
      "parallel.shard=3 does not divide parallel.data=8: the data axis is cut into groups of so many ranks; "
      "set parallel.shard to a divisor of 8");
  mesh.set_shard(2);
  mesh.set_expert(4);
  EXPECT_EQ(
      refusal(mesh, 16),
      "parallel.shard=2 is no multiple of parallel.expert=4: ranks that share experts lie in one group; set "
      "parallel.shard=4");
}

TEST(Layout, ExpertsDivideTheDataAxis) {
  MeshSettings mesh = settings(1, 4, 1, 1);
  mesh.set_expert(2);
  EXPECT_EQ(layout_for(mesh, 4).expert, 2);
  mesh.set_expert(3);
  EXPECT_NE(refusal(mesh, 4).find("parallel.expert=3 does not divide parallel.data=4"), std::string::npos);
}

TEST(Layout, TensorIsTheFastestAxis) {
  Layout layout{.pipeline = 2, .data = 3, .context = 2, .tensor = 2};
  EXPECT_EQ(coordinate_of(layout, Rank(1)), (Coordinate{0, 0, 0, 1}));
  EXPECT_EQ(coordinate_of(layout, Rank(2)), (Coordinate{0, 0, 1, 0}));
  EXPECT_EQ(coordinate_of(layout, Rank(4)), (Coordinate{0, 1, 0, 0}));
  EXPECT_EQ(coordinate_of(layout, Rank(12)), (Coordinate{1, 0, 0, 0}));
  EXPECT_THROW(coordinate_of(layout, Rank(24)), std::logic_error);
}

TEST(Layout, RankAndCoordinateAreInverse) {
  Layout layout{.pipeline = 2, .data = 3, .context = 4, .tensor = 5};
  std::set<Rank> seen;
  for (int64_t r = 0; r < layout.ranks(); ++r) {
    Rank back = rank_at(layout, coordinate_of(layout, Rank(r)));
    EXPECT_EQ(back, Rank(r));
    seen.insert(back);
  }
  EXPECT_EQ(seen.size(), 120u);
}

TEST(Layout, TextIsWhatCheckpointsStore) {
  EXPECT_EQ(layout_text(layout_for(MeshSettings(), 2)),
            "data=2 tensor=1 pipeline=1 context=1 expert=1 zero=0");
}

}  // namespace
}  // namespace sextant::parallel::layout_test
