#include <ATen/ATen.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <gtest/gtest.h>

#include "parallel/group_mpi.h"
#include "tests/gpu/on_device.h"
#include "tests/gpu/rank_device.h"
#include "tests/parallel/group_verbs.h"

// MPI groups with tensors of a GPU, which are staged through host memory. Several ranks share one GPU here,
// as NCCL can not: check.sh runs these suites at one rank and at two.
namespace sextant::parallel {
namespace {

const at::TensorOptions kOnGpu = at::TensorOptions(at::kCUDA).dtype(at::kFloat);

class StagedRanksVerbs : public testing::TestWithParam<VerbCheck> {};

TEST_P(StagedRanksVerbs, OnTheWorld) {
  choose_device();
  auto world = on_device(session().world(), at::kCUDA);
  GetParam().run(*world);
}

INSTANTIATE_TEST_SUITE_P(All, StagedRanksVerbs, testing::ValuesIn(verb_checks()),
                         [](const auto& check) { return std::string(check.param.name); });

// A value that the GPU is still busy computing when the verb is called.
at::Tensor slow_ones() {
  at::Tensor busy = at::ones({2048, 2048}, kOnGpu);
  for (int i = 0; i < 20; ++i) busy = busy.mm(busy).fill_(1);
  return busy.select(0, 0).contiguous();  // [2048]
}

TEST(StagedRanks, VerbsWaitForTheKernelsBeforeThem) {
  choose_device();
  auto world = session().world();
  at::Tensor tensor = slow_ones();
  world->all_reduce(tensor);
  EXPECT_TRUE(tensor.eq(static_cast<double>(world->size())).all().item<bool>());
}

TEST(StagedRanks, KernelsAfterWaitSeeTheResult) {
  choose_device();
  auto world = session().world();
  for (int i = 0; i < 20; ++i) {
    at::Tensor tensor = at::full({1 << 20}, static_cast<double>(i), kOnGpu);
    auto work = world->all_reduce_async(tensor, Reduce::kSum);
    work->wait();
    at::Tensor after = tensor.mul(2);
    EXPECT_EQ(after.sum().item<double>(), 2.0 * i * static_cast<double>(world->size()) * (1 << 20));
  }
}

TEST(StagedRanks, ASideStreamIsTheCurrentOne) {
  choose_device();
  auto world = session().world();
  c10::cuda::CUDAStreamGuard guard(c10::cuda::getStreamFromPool());
  at::Tensor tensor = slow_ones();
  world->all_reduce(tensor);
  EXPECT_EQ(tensor.sum().item<double>(), 2048.0 * static_cast<double>(world->size()));
}

}  // namespace
}  // namespace sextant::parallel
