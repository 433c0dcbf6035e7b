#include "trainer/assembly.h"

#include <gtest/gtest.h>

#include "parallel/group_threads.h"
#include "parallel/rehearsal_group.h"
#include "trainer/config/rules.h"

namespace sextant::trainer::assembly_test {
namespace {

Run run_of(int32_t tensor, int32_t pipeline, int32_t expert, int32_t zero) {
  Run run;
  run.mutable_run()->set_global_batch(16);
  run.mutable_run()->set_micro_batch(1);
  ModelSettings& model = *run.mutable_model();
  model.set_layers(4);
  model.set_width(32);
  model.set_heads(4);
  model.set_context(16);
  model.set_tied_embeddings(true);
  if (expert > 1) model.mutable_experts()->set_count(4);
  run.mutable_parallel()->set_tensor(tensor);
  run.mutable_parallel()->set_pipeline(pipeline);
  run.mutable_parallel()->set_expert(expert);
  run.mutable_parallel()->set_zero_stage(zero);
  fill_defaults(run, 64);
  return run;
}

// What every rank holds, worked out by each of them alone, is what each of them has.
TEST(HoldingsOf, AreWhatTheRanksHold) {
  for (const auto& run : {run_of(2, 2, 1, 0), run_of(1, 2, 2, 1), run_of(2, 1, 2, 3), run_of(1, 4, 1, 0)}) {
    parallel::Holdings all = holdings_of(run, 8);
    ASSERT_EQ(all.size(), 8u);
    parallel::run_ranks(8, [&](parallel::Group& world) {
      Assembly assembly(run, world, at::kCPU);
      std::vector<parallel::HeldTensor> mine = held_by(assembly.model().parameters());
      const auto& known = all[static_cast<size_t>(world.rank().value())];
      ASSERT_EQ(known.size(), mine.size());
      for (size_t i = 0; i < mine.size(); ++i) {
        EXPECT_EQ(known[i].name, mine[i].name);
        EXPECT_EQ(known[i].slice.offset, mine[i].slice.offset);
        EXPECT_EQ(known[i].slice.shape, mine[i].slice.shape);
      }
    });
  }
}

// A rank by itself in a world that is not there owns what it would own among the others.
TEST(Assembly, OwnsTheSameWithoutTheOthers) {
  for (const auto& run : {run_of(2, 2, 1, 1), run_of(1, 2, 2, 2), run_of(2, 1, 1, 3)}) {
    parallel::Holdings all = holdings_of(run, 8);
    parallel::run_ranks(8, [&](parallel::Group& world) {
      Assembly among(run, world, at::kCPU);
      parallel::Traffic traffic;
      auto rehearsed = parallel::rehearsal_group(8, world.rank(), traffic);
      Assembly alone(run, *rehearsed, at::kCPU, &all);
      const auto& expected = among.step().pieces();
      const auto& found = alone.step().pieces();
      ASSERT_EQ(found.size(), expected.size());
      for (size_t i = 0; i < found.size(); ++i) {
        EXPECT_EQ(found[i].begin, expected[i].begin);
        EXPECT_EQ(found[i].end, expected[i].end);
        EXPECT_EQ(found[i].is_whole(), expected[i].is_whole());
        if (!found[i].is_whole()) {
          EXPECT_EQ(found[i].holders->size(), expected[i].holders->size());
          EXPECT_EQ(found[i].holders->rank(), expected[i].holders->rank());
        }
      }
    });
  }
}

}  // namespace
}  // namespace sextant::trainer::assembly_test
