#include "parallel/holders.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "parallel/group_threads.h"

namespace sextant::parallel::holders_test {
namespace {

HeldTensor whole(const std::string& name) {
  return {name, {{0, 0}, {4, 4}}};
}

HeldTensor half(const std::string& name, int64_t part) {
  return {name, {{2 * part, 0}, {2, 4}}};
}

// The world ranks of a group, found by sending them around.
std::vector<int64_t> members(Group& group) {
  at::Tensor all = at::empty({group.size(), 1}, at::kLong);
  group.all_gather(all, at::full({1}, group.world_rank(group.rank()).value(), at::kLong));
  return {all.data_ptr<int64_t>(), all.data_ptr<int64_t>() + all.numel()};
}

using Ranks = std::vector<int64_t>;

TEST(Holders, OneRankIsAloneWithEverything) {
  auto alone = single_rank_group();
  Holders holders(*alone, {whole("a"), whole("b")});
  EXPECT_EQ(holders.sets(), 1u);
  EXPECT_EQ(holders.of(1).size(), 1);
  EXPECT_TRUE(holders.alike(0));
}

TEST(Holders, ReplicasAreOneSet) {
  run_ranks(3, [](Group& world) {
    Holders holders(world, {whole("a"), whole("b")});
    EXPECT_EQ(holders.sets(), 1u);
    EXPECT_EQ(members(holders.of(0)), (Ranks{0, 1, 2}));
    EXPECT_EQ(holders.set_of(0), holders.set_of(1));
    EXPECT_TRUE(holders.alike(0));
  });
}

// data 2 x tensor 2: matrices are cut, norms are whole.
TEST(Holders, SlicesDecide) {
  run_ranks(4, [](Group& world) {
    int64_t me = world.rank().value(), part = me % 2;
    Holders holders(world, {whole("norm"), half("matrix", part)});
    EXPECT_EQ(holders.sets(), 2u);
    EXPECT_EQ(members(holders.of(0)), (Ranks{0, 1, 2, 3}));
    EXPECT_EQ(members(holders.of(1)), (Ranks{part, part + 2}));
    EXPECT_EQ(holders.of(1).rank().value(), me / 2);
  });
}

// pipeline 2 x data 2, the embedding on the first and the last stage.
TEST(Holders, EndsOfAPipelineShareAnEmbedding) {
  run_ranks(4, [](Group& world) {
    int64_t stage = world.rank().value() / 2;
    std::vector<HeldTensor> held;
    if (stage == 0) held = {whole("embedding"), whole("blocks.0")};
    if (stage == 1) held = {whole("blocks.1"), whole("embedding")};
    Holders holders(world, held);
    size_t embedding = stage == 0 ? 0 : 1;
    EXPECT_EQ(members(holders.of(embedding)), (Ranks{0, 1, 2, 3}));
    EXPECT_EQ(members(holders.of(1 - embedding)), (Ranks{2 * stage, 2 * stage + 1}));
    EXPECT_FALSE(holders.alike(holders.set_of(embedding)));
    EXPECT_TRUE(holders.alike(holders.set_of(1 - embedding)));
    // The common order: the first rank names the embedding first.
    EXPECT_EQ(holders.set_of(embedding), 0u);
  });
}

// Experts inside data 4: dense weights on all, each half of the experts on every other rank, of equal names.
TEST(Holders, ExpertsAreSetsOfTheirOwn) {
  run_ranks(4, [](Group& world) {
    int64_t part = world.rank().value() % 2;
    Holders holders(world, {whole("dense"), half("experts", part), whole("more")});
    EXPECT_EQ(holders.sets(), 2u);
    EXPECT_EQ(members(holders.of(1)), (Ranks{part, part + 2}));
    EXPECT_EQ(holders.set_of(0), holders.set_of(2));
    EXPECT_TRUE(holders.alike(0) && holders.alike(1));
  });
}

// Chains of overlapping sets, which no single split can make.
TEST(Holders, OverlappingSetsTakeRounds) {
  run_ranks(5, [](Group& world) {
    int64_t me = world.rank().value();
    std::vector<HeldTensor> held;
    for (int64_t link : {me - 1, me}) {
      if (link >= 0 && link < 4) held.push_back(whole("link " + std::to_string(link)));
    }
    Holders holders(world, held);
    for (size_t i = 0; i < held.size(); ++i) {
      int64_t link = std::stoll(held[i].name.substr(5));
      EXPECT_EQ(members(holders.of(i)), (Ranks{link, link + 1})) << "rank " << me;
    }
  });
}

TEST(Holders, ARankMayHoldNothing) {
  run_ranks(2, [](Group& world) {
    std::vector<HeldTensor> held;
    if (world.rank() == Rank(1)) held.push_back(whole("a"));
    Holders holders(world, held);
    EXPECT_EQ(holders.sets(), held.size());
    for (size_t i = 0; i < held.size(); ++i) EXPECT_EQ(holders.of(i).size(), 1);
  });
}

// data 4 x tensor 2 in parts of two data ranks: a norm is on all, a matrix on those of a tensor rank.
TEST(Holders, PartsOfTheWorldShareOutEach) {
  run_ranks(8, [](Group& world) {
    int64_t me = world.rank().value(), tensor = me % 2, part = me / 4;
    auto part_of = [](Rank rank) { return rank.value() / 4; };
    Holders holders(world, {whole("norm"), half("matrix", tensor)}, part_of);
    size_t norm = holders.set_of(0), matrix = holders.set_of(1);
    EXPECT_EQ(members(holders.group(norm)), (Ranks{0, 1, 2, 3, 4, 5, 6, 7}));
    EXPECT_EQ(members(holders.shard_group(norm)),
              (Ranks{4 * part, 4 * part + 1, 4 * part + 2, 4 * part + 3}));
    EXPECT_EQ(members(holders.replica_group(norm)), (Ranks{me % 4, me % 4 + 4}));
    EXPECT_EQ(members(holders.shard_group(matrix)), (Ranks{4 * part + tensor, 4 * part + 2 + tensor}));
    EXPECT_EQ(members(holders.replica_group(matrix)), (Ranks{me % 4, me % 4 + 4}));
  });
}

TEST(Holders, WithoutPartsAllShareOut) {
  run_ranks(3, [](Group& world) {
    Holders holders(world, {whole("a")});
    EXPECT_EQ(&holders.shard_group(0), &holders.group(0));
    EXPECT_EQ(holders.replica_group(0).size(), 1);
  });
}

TEST(Holders, PartsOfUnequalSizeAreABug) {
  EXPECT_THROW(
      run_ranks(
          3, [](Group& world) { Holders(world, {whole("a")}, [](Rank rank) { return rank.value() / 2; }); }),
      std::logic_error);
}

TEST(Holders, ANameTwiceIsABug) {
  auto alone = single_rank_group();
  EXPECT_THROW(Holders(*alone, {whole("a"), whole("a")}), std::logic_error);
}

}  // namespace
}  // namespace sextant::parallel::holders_test
