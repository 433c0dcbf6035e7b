#include "parallel/group_mpi.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <stdexcept>
#include <thread>

#include "tests/harness/seatings.h"
#include "tests/mpi/session.h"
#include "tests/parallel/group_verbs.h"

namespace sextant::parallel::group_mpi_test {
namespace {

class MpiVerbs : public testing::TestWithParam<VerbCheck> {};

TEST_P(MpiVerbs, OnTheWorld) {
  auto world = session().world();
  GetParam().run(*world);
}

TEST_P(MpiVerbs, InAGroupSplitOff) {
  auto world = session().world();
  auto odd_and_even = world->split(apart_by(2), "half");
  GetParam().run(*odd_and_even);
}

// What happens past INT_MAX elements, at a size that a test can afford.
TEST_P(MpiVerbs, CutIntoSmallParts) {
  auto world = session().world(/*largest_count=*/37);
  if (std::string(GetParam().name) != "LargeTensors") GetParam().run(*world);
}

INSTANTIATE_TEST_SUITE_P(All, MpiVerbs, testing::ValuesIn(verb_checks()),
                         [](const auto& check) { return std::string(check.param.name); });

TEST(MpiSession, KnowsTheWorldAndTheMachine) {
  auto world = session().world();
  EXPECT_EQ(world->rank(), session().rank());
  EXPECT_EQ(world->size(), session().size());
  // The tests run on one machine.
  EXPECT_EQ(session().local_rank(), session().rank());
  EXPECT_EQ(session().local_size(), session().size());
}

TEST(MpiSession, OpensOnce) {
  EXPECT_THROW(MpiSession(), std::logic_error);
}

TEST(MpiSession, SeveralWorldsDoNotMix) {
  auto a = session().world(), b = session().world();
  at::Tensor in_a = at::ones({1}), in_b = at::full({1}, 10.0);
  auto first = a->all_reduce_async(in_a, Reduce::kSum);
  auto second = b->all_reduce_async(in_b, Reduce::kSum);
  second->wait();
  first->wait();
  EXPECT_EQ(in_a.item<double>(), static_cast<double>(session().size()));
  EXPECT_EQ(in_b.item<double>(), 10.0 * static_cast<double>(session().size()));
}

TEST(MpiSession, AGroupOutlivesItsParent) {
  auto world = session().world();
  auto part = world->split(everybody(), "part");
  world.reset();
  at::Tensor tensor = at::ones({1});
  part->all_reduce(tensor);
  EXPECT_EQ(tensor.item<double>(), static_cast<double>(session().size()));
}

TEST(MpiSession, AWorkNobodyWaitedForHarmsNobody) {
  auto world = session().world();
  { auto forgotten = world->all_reduce_async(at::ones({1 << 20}), Reduce::kSum); }
  at::Tensor tensor = at::ones({1});
  world->all_reduce(tensor);
  world->barrier();
  EXPECT_EQ(tensor.item<double>(), static_cast<double>(session().size()));
}

// Run by hang.sh only: the last rank stops, and the others have to say so.
TEST(Hang, DISABLED_AStoppedRankIsNamed) {
  auto world = session().world();
  world->barrier();
  if (world->rank().value() == world->size() - 1) raise(SIGSTOP);
  at::Tensor tensor = at::ones({100});
  world->all_reduce(tensor);
}

// Run by hang.sh only: one rank's exception must not leave the others waiting.
TEST(Hang, DISABLED_AnExceptionEndsTheWorld) {
  auto world = session().world();
  world->barrier();
  if (world->rank() == Rank(1)) session().abort(7);
  world->barrier();
}

}  // namespace
}  // namespace sextant::parallel::group_mpi_test
