// Models that are only read: what they say does not depend on where they stand, and memory is what it is said
// to be.
#include "rlhf/frozen_model.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include "parallel/base/error.h"
#include "parallel/group_threads.h"
#include "rlhf/model_scores.h"
#include "trainer/config/rules.h"
#include "trainer/metrics/memory.h"
#include "trainer/model/initialise.h"

namespace sextant::rlhf::frozen_model_test {
namespace {

trainer::Run run_with(int32_t width, int32_t data_ranks) {
  trainer::Run run;
  trainer::ModelSettings& model = *run.mutable_model();
  model.set_layers(2);
  model.set_width(width);
  model.set_heads(4);
  model.set_context(32);
  run.mutable_parallel()->set_data(data_ranks);
  run.mutable_run()->set_global_batch(data_ranks);
  trainer::fill_defaults(run, 512);
  return run;
}

void fill(const trainer::ParameterList& weights) {
  trainer::initialise(weights, 3);
}

std::vector<double> scores_of(FrozenModel& model) {
  Episode episode;
  for (int32_t id : {5, 6, 7}) episode.add_prompt(id);
  for (int32_t id : {8, 400, 9, 10}) episode.add_response(id);
  FrozenModel::Use use(model);
  return answer_log_probabilities(use.passes(), {&episode}, {1, 64, 1.0})[0];
}

TEST(FrozenModel, SaysTheSameWhereverItStands) {
  parallel::run_ranks(2, [](parallel::Group& world) {
    trainer::Run run = run_with(32, 2);
    trainer::Assembly policy(run, world, at::kCPU);
    FrozenModel kept(run.model(), run, policy, world, Placement::whole, fill);
    FrozenModel shared_out(run.model(), run, policy, world, Placement::sharded, fill);
    FrozenModel read_anew(run.model(), run, policy, world, Placement::offloaded, fill);
    auto wanted = scores_of(kept);
    EXPECT_GT(kept.bytes(), 0);
    for (int time = 0; time < 2; ++time) {
      for (FrozenModel* model : {&shared_out, &read_anew}) EXPECT_EQ(scores_of(*model), wanted);
      EXPECT_EQ(read_anew.bytes(), 0);
      EXPECT_LT(shared_out.bytes(), kept.bytes() / 2) << "the head may stay until the next block is needed";
    }
  });
}

int64_t resident() {
  malloc_trim(0);
  return trainer::process_memory().resident;
}

TEST(FrozenModel, OffloadedTakesNoMemoryWhileNobodyListens) {
  // Sanitizers keep what is freed, to see who still reads it.
  if (dlsym(RTLD_DEFAULT, "__sanitizer_print_stack_trace") != nullptr) GTEST_SKIP();
  auto world = parallel::single_rank_group();
  trainer::Run run = run_with(768, 1);
  trainer::Assembly policy(run, *world, at::kCPU);
  FrozenModel model(run.model(), run, policy, *world, Placement::offloaded, fill);
  int64_t before = resident(), during = 0, bytes = 0;
  {
    FrozenModel::Use use(model);
    during = resident();
    bytes = model.bytes();
  }
  ASSERT_GT(bytes, 40 << 20);
  EXPECT_GT(during - before, bytes * 9 / 10);
  EXPECT_LT(resident() - before, bytes / 10);
}

TEST(FrozenModel, TellsAllRanksWhatOneCouldNotRead) {
  parallel::run_ranks(2, [](parallel::Group& world) {
    trainer::Run run = run_with(32, 2);
    trainer::Assembly policy(run, world, at::kCPU);
    int reads = 0;
    FrozenModel model(run.model(), run, policy, world, Placement::offloaded,
                      [&](const trainer::ParameterList& weights) {
                        if (++reads == 2 && world.rank() == Rank(1)) fail_input("the file is gone");
                        fill(weights);
                      });
    scores_of(model);
    EXPECT_THROW(scores_of(model), Error);
  });
}

}  // namespace
}  // namespace sextant::rlhf::frozen_model_test
