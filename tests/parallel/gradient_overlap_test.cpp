// When sums start under backward, and what comes late.
#include "parallel/gradient_reducer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "parallel/group_threads.h"
#include "tests/parallel/summed_network.h"

namespace sextant::parallel::gradient_overlap_test {
namespace {

TEST(ReducerOverlap, BucketsStartUnderBackward) {
  for (int64_t microbatches : {1, 2}) {
    run_ranks(2, [&](Group& world) {
      Network network;
      Summed summed(network.weights(), world, 64);
      ASSERT_EQ(summed.layout.count(), 5u);
      run_step(network, summed.reducer, world, microbatches, Recompute::kYes);
      EXPECT_EQ(summed.reducer.started(), 2) << "a weight that is never used holds back what comes after it";
      summed.reducer.finish();
      run_step(network, summed.reducer, world, microbatches, Recompute::kYes);
      EXPECT_EQ(summed.reducer.started(), 5);
      summed.reducer.finish();
      EXPECT_EQ(summed.reducer.started(), 5) << "nothing came late";
    });
  }
}

TEST(ReducerOverlap, MicrobatchesAreSummedAtOnceWhereOwnersKeepThem) {
  run_ranks(2, [](Group& world) {
    Network network;
    SumRules rules;
    rules.memory = GradientMemory::kOwned;
    Summed summed(network.weights(), world, 64, rules);
    for (int step = 0; step < 2; ++step) {
      run_step(network, summed.reducer, world, 4, Recompute::kNo);
      // The weight that is never used holds its set back in the first step: only there it is not known.
      EXPECT_TRUE(step == 0 || summed.reducer.started() == 20) << summed.reducer.started();
      summed.reducer.finish();
      expect_reference(summed, "step");
    }
  });
}

// Ranks whose gradients come more often than they were learnt to: the rest must not be lost.
TEST(ReducerOverlap, LateGradientsAreSummedToo) {
  for (GradientMemory memory : kMemories) {
    for (int64_t who_recomputes : {0, 1, 2}) {  // rank 0, rank 1, both
      run_ranks(2, [&](Group& world) {
        Network network;
        SumRules rules;
        rules.memory = memory;
        Summed summed(network.weights(), world, 64, rules);
        bool mine = who_recomputes == 2 || who_recomputes == world.rank().value();
        run_step(network, summed.reducer, world, 1, Recompute::kNo);
        summed.reducer.finish();
        for (int step = 0; step < 2; ++step) {
          run_step(network, summed.reducer, world, 1, mine ? Recompute::kYes : Recompute::kNo);
          summed.reducer.finish();
          expect_reference(summed, fmt::format("recompute on {} step {}", who_recomputes, step));
        }
      });
    }
  }
}

// The order in which a pipeline may go: all forwards, then all backwards; sinks arrive in forward.
TEST(ReducerOverlap, MicrobatchesMayInterleave) {
  for (GradientMemory memory : kMemories) {
    run_ranks(2, [&](Group& world) {
      Network network;
      SumRules rules;
      rules.memory = memory;
      Summed summed(network.weights(), world, 64, rules);
      for (int step = 0; step < 3; ++step) {
        summed.reducer.begin_step(4);
        std::vector<at::Tensor> losses;
        for (int64_t m = 0; m < 4; ++m) {
          at::Tensor ids = all_ids().narrow(0, (world.rank().value() * 4 + m) * 2, 2);
          losses.push_back(network.loss(ids, Recompute::kNo));
          if (m > 0) losses[static_cast<size_t>(m) - 1].backward();
        }
        losses[3].backward();
        summed.reducer.finish();
        expect_reference(summed, fmt::format("step {}", step));
      }
    });
  }
}

}  // namespace
}  // namespace sextant::parallel::gradient_overlap_test
