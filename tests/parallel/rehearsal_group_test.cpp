#include "parallel/rehearsal_group.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "parallel/group_threads.h"
#include "parallel/holders.h"
#include "parallel/mesh.h"

namespace sextant::parallel::rehearsal_group_test {
namespace {

std::vector<int64_t> members(const Group& group) {
  std::vector<int64_t> world;
  for (int64_t r = 0; r < group.size(); ++r) world.push_back(group.world_rank(Rank(r)).value());
  return world;
}

std::vector<std::vector<int64_t>> axes(const Mesh& mesh) {
  std::vector<std::vector<int64_t>> all;
  for (Group* group : {&mesh.pipeline(), &mesh.data(), &mesh.context(), &mesh.tensor(), &mesh.expert(),
                       &mesh.replicas(), &mesh.model()}) {
    // A rank by itself is a group of its own, which has no place in the world.
    all.push_back(group->size() == 1 ? std::vector<int64_t>{} : members(*group));
    all.back().push_back(group->rank().value());
  }
  return all;
}

MeshSettings settings_of(int32_t pipeline, int32_t context, int32_t tensor, int32_t expert) {
  MeshSettings settings;
  settings.set_pipeline(pipeline);
  settings.set_context(context);
  settings.set_tensor(tensor);
  settings.set_expert(expert);
  return settings;
}

TEST(RehearsalGroup, StandsInTheMeshAsTheRankItselfWould) {
  for (const MeshSettings& settings :
       {settings_of(2, 2, 2, 1), settings_of(1, 1, 2, 2), settings_of(3, 1, 1, 1), settings_of(1, 4, 1, 1)}) {
    int64_t ranks = settings.pipeline() == 3 ? 6 : 8;
    run_ranks(ranks, [&](Group& world) {
      Traffic traffic;
      auto rehearsed = rehearsal_group(ranks, world.rank(), traffic);
      EXPECT_EQ(axes(Mesh(settings, *rehearsed)), axes(Mesh(settings, world)));
      EXPECT_TRUE(traffic.calls().empty()) << "nobody is asked";
    });
  }
}

// pipeline 2 x data 2, the embedding on both ends: sets that overlap need several rounds.
TEST(RehearsalGroup, KnownHoldersAreThoseThatWereAsked) {
  Holdings all;
  for (int64_t rank = 0; rank < 4; ++rank) {
    HeldTensor embedding{"embedding", {{0, 0}, {4, 4}}};
    HeldTensor own{rank / 2 == 0 ? "first" : "second", {{0}, {4}}};
    all.push_back({embedding, own});
  }
  run_ranks(4, [&](Group& world) {
    Holders asked(world, all[static_cast<size_t>(world.rank().value())]);
    Traffic traffic;
    auto rehearsed = rehearsal_group(4, world.rank(), traffic);
    Holders known = Holders::known(*rehearsed, all);
    ASSERT_EQ(known.sets(), asked.sets());
    for (size_t set = 0; set < known.sets(); ++set) {
      EXPECT_EQ(members(known.group(set)), members(asked.group(set)));
      EXPECT_EQ(known.group(set).rank(), asked.group(set).rank());
      EXPECT_EQ(known.alike(set), asked.alike(set));
    }
    EXPECT_EQ(known.set_of(0), asked.set_of(0));
    EXPECT_EQ(known.set_of(1), asked.set_of(1));
  });
}

TEST(RehearsalGroup, FillsInWhatOthersWouldSend) {
  Traffic traffic;
  auto group = rehearsal_group(3, Rank(1), traffic);
  at::Tensor mine = at::arange(4, at::kFloat);
  at::Tensor sum = mine.clone();
  group->all_reduce(sum);
  EXPECT_TRUE(at::equal(sum, mine));

  at::Tensor all = at::empty({3, 4});
  group->all_gather(all, mine);
  for (int64_t r = 0; r < 3; ++r) EXPECT_TRUE(at::equal(all[r], mine));

  at::Tensor part = at::empty({4});
  group->reduce_scatter(part, at::stack({mine, mine + 1, mine + 2}));
  EXPECT_TRUE(at::equal(part, mine + 1));

  at::Tensor arrived = at::full({5}, std::nan(""), at::kFloat), ids = at::full({5}, 7, at::kLong);
  group->recv(arrived, Rank(0));
  group->broadcast(ids, Rank(2));
  EXPECT_TRUE(at::isfinite(arrived).all().item<bool>());
  EXPECT_GT(arrived.abs().sum().item<float>(), 0);
  EXPECT_EQ(ids.sum().item<int64_t>(), 0);
  EXPECT_THROW(group->send(mine, Rank(1)), std::invalid_argument) << "the rules of tensors are kept";
}

TEST(RehearsalGroup, CountsCallsAndWhatIsUnderWay) {
  Traffic traffic;
  auto group = rehearsal_group(4, Rank(0), traffic);
  at::Tensor floats = at::zeros({8}), halves = at::zeros({8}, at::kBFloat16);
  group->all_reduce(floats);
  group->all_reduce(floats);
  group->all_reduce(halves);
  group->send(floats, Rank(1));
  std::map<Traffic::Call, int64_t> expected = {{{Verb::kAllReduce, at::kFloat, 4, 4, 32}, 2},
                                               {{Verb::kAllReduce, at::kBFloat16, 4, 4, 16}, 1},
                                               {{Verb::kSend, at::kFloat, 4, 4, 32}, 1}};
  EXPECT_EQ(traffic.calls(), expected);
  // The copy in fp32 of 8 halves, 32 bytes, and three other ranks' 2 numbers of it, 24.
  EXPECT_EQ(traffic.most_bytes_under_way(), 56);

  at::Tensor one = at::empty({32}), other = at::empty({16});
  {
    auto first = group->recv_async(one, Rank(1));
    auto second = group->recv_async(other, Rank(1));
    first->wait();
    auto third = group->recv_async(other, Rank(2));
  }
  EXPECT_EQ(traffic.most_bytes_under_way(), 192);
  traffic.clear();
  EXPECT_TRUE(traffic.calls().empty());
}

}  // namespace
}  // namespace sextant::parallel::rehearsal_group_test
