#include "parallel/pipeline.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "parallel/deferred_sinks.h"
#include "parallel/group_threads.h"
#include "tests/parallel/staged_network.h"

namespace sextant::parallel::pipeline_test {
namespace {

TEST(Pipeline, EveryScheduleGivesTheGradientsOfOneRank) {
  for (int64_t ranks : {1, 2, 3, 4, 5}) {
    run_ranks(ranks, [](Group& world) { try_all_schedules(world, 3, 4); });
  }
}

// Rank 0 of a V holds the first stage and the last, its neighbour at the tip two in a row.
TEST(Pipeline, EvaluationGoesForwardAlone) {
  run_ranks(3, [](Group& world) {
    PipelineEngine engine(world);
    ScheduleShape shape{MeshSettings::zero_bubble_v, 3, 2, 7};
    double last = 0;
    StageCalls calls;
    calls.forward = [&](int64_t chunk, int64_t microbatch, const at::Tensor& x) {
      int64_t stage = stage_of(shape, world.rank().value(), chunk);
      at::Tensor in = stage == 0 ? at::full({2, 2}, static_cast<double>(microbatch), at::kDouble) : x;
      if (stage + 1 == shape.stages()) last += in[0][0].item<double>();
      return in + static_cast<double>(stage);
    };
    engine.run(forward_schedule(shape), {{2, 2}, at::TensorOptions(at::kDouble)}, calls);
    // The microbatches' numbers, and what the stages before the last have added to each of seven.
    EXPECT_EQ(last, world.rank() == Rank(0) ? 21 + 7 * (0 + 1 + 2 + 3 + 4) : 0);
  });
}

TEST(Pipeline, RanksThatDisagreeAreTold) {
  EXPECT_THROW(run_ranks(2,
                         [](Group& world) {
                           PipelineEngine engine(world);
                           int64_t time = world.rank() == Rank(0) ? 8 : 9;
                           ScheduleShape shape{MeshSettings::gpipe, 2, 1, 2};
                           engine.run(make_schedule(shape), {{1, time}, at::TensorOptions(at::kFloat)}, {});
                         }),
               std::logic_error);
}

TEST(Pipeline, AnActivationOfAnotherShapeIsOurBug) {
  EXPECT_THROW(run_ranks(2,
                         [](Group& world) {
                           PipelineEngine engine(world);
                           StageCalls calls;
                           calls.forward = [](int64_t, int64_t, const at::Tensor&) {
                             return at::zeros({2, 3});
                           };
                           ScheduleShape shape{MeshSettings::gpipe, 2, 1, 1};
                           engine.run(make_schedule(shape), {{3, 2}, at::TensorOptions(at::kFloat)}, calls);
                         }),
               std::logic_error);
}

class Counting : public GradientSink {
 public:
  void take(const std::function<void(const at::Tensor& into, Onto onto)>& write) override {
    write(sum, count++ == 0 ? Onto::kWrite : Onto::kAdd);
  }
  at::Tensor sum = at::full({1}, 99.0);
  int64_t count = 0;
};

TEST(DeferredSinks, WhatIsHeldComesWhenItIsAsked) {
  Counting behind;
  DeferredSinks deferred({&behind});
  auto give = [&](double value) {
    deferred.sink(0).take([value](const at::Tensor& into, Onto onto) {
      onto == Onto::kAdd ? into.add_(value) : into.fill_(value);
    });
  };
  give(1);
  EXPECT_EQ(behind.count, 1);
  deferred.hold({0, 3});
  give(10);
  give(20);
  deferred.hold({1, 3});
  give(100);
  deferred.pass();
  EXPECT_EQ(behind.sum.item<double>(), 1);
  deferred.run({1, 3});
  EXPECT_EQ(behind.sum.item<double>(), 101);
  deferred.run({0, 3});
  EXPECT_EQ(behind.sum.item<double>(), 131);
  EXPECT_EQ(behind.count, 4);
  deferred.run({0, 3});
  EXPECT_EQ(behind.count, 4) << "once";
}

}  // namespace
}  // namespace sextant::parallel::pipeline_test
