#include "parallel/group_nccl.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "parallel/base/error.h"
#include "tests/gpu/on_device.h"
#include "tests/gpu/rank_device.h"
#include "tests/harness/seatings.h"
#include "tests/parallel/group_verbs.h"

// The suites called Nccl... want a GPU for each rank: check.sh runs them at one rank, and at a rank a GPU
// where there are several. Those called ...Ranks run with two ranks on one GPU too.
namespace sextant::parallel {
namespace {

const at::TensorOptions kOnGpu = at::TensorOptions(at::kCUDA).dtype(at::kFloat);

std::unique_ptr<Group> nccl_world() {
  EXPECT_TRUE(choose_device()) << "run this suite with a GPU for each rank";
  auto world = session().world();
  return nccl_group(*world, session().watchdog());
}

class NcclVerbs : public testing::TestWithParam<VerbCheck> {};

TEST_P(NcclVerbs, OnTheGpu) {
  auto world = on_device(nccl_world(), at::kCUDA);
  GetParam().run(*world);
}

TEST_P(NcclVerbs, WithTensorsOfTheHost) {
  auto world = nccl_world();
  GetParam().run(*world);
}

TEST_P(NcclVerbs, InAGroupSplitOff) {
  auto world = nccl_world();
  auto half = on_device(world->split(apart_by(2), "half"), at::kCUDA);
  GetParam().run(*half);
}

INSTANTIATE_TEST_SUITE_P(All, NcclVerbs, testing::ValuesIn(verb_checks()),
                         [](const auto& check) { return std::string(check.param.name); });

// Gathering copies, so one rank is enough to see whether the copy came too early.
TEST(NcclGroup, VerbsWaitForTheKernelsBeforeThem) {
  auto world = nccl_world();
  at::Tensor input = at::zeros({2048}, kOnGpu), output = at::zeros({world->size(), 2048}, kOnGpu);
  at::Tensor busy = at::ones({2048, 2048}, kOnGpu);
  for (int i = 0; i < 50; ++i) busy = busy.mm(busy).fill_(1);
  input.copy_(busy[0]);
  world->all_gather(output, input);
  EXPECT_TRUE(output.eq(1).all().item<bool>());
}

TEST(NcclGroup, KernelsAfterWaitSeeTheResult) {
  auto world = nccl_world();
  for (int i = 1; i <= 20; ++i) {
    at::Tensor input = at::full({1 << 22}, static_cast<double>(i), kOnGpu);
    at::Tensor output = at::zeros({world->size(), 1 << 22}, kOnGpu);
    world->all_gather_async(output, input)->wait();
    EXPECT_TRUE(output.mul(2).eq(2.0 * i).all().item<bool>());
  }
}

// Its memory must not be given to the next tensor while the device still reads it.
TEST(NcclGroup, AWorkNobodyWaitedForHarmsNobody) {
  auto world = nccl_world();
  at::Tensor output = at::zeros({world->size(), 1 << 22}, kOnGpu);
  for (int i = 0; i < 20; ++i) {
    { auto forgotten = world->all_gather_async(output, at::ones({1 << 22}, kOnGpu)); }
    at::full({1 << 22}, 7.0, kOnGpu);
  }
  EXPECT_TRUE(output.eq(1).all().item<bool>());
}

TEST(NcclObstacleRanks, TwoRanksOnOneGpuAreToldOf) {
  const bool own_device = choose_device();
  auto world = session().world();
  EXPECT_TRUE(nccl_available());
  const std::optional<std::string> obstacle = nccl_obstacle(*world);
  EXPECT_EQ(obstacle.has_value(), !own_device) << obstacle.value_or("none");
  if (own_device) return;
  EXPECT_EQ(gather_bytes(*world, *obstacle), std::vector<std::string>(2, *obstacle))
      << "the same on each rank";
  try {
    nccl_group(*world, session().watchdog());
    FAIL() << "two ranks can not share one GPU";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kEnvironment);
    EXPECT_NE(std::string(error.what()).find(*obstacle), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace sextant::parallel
