#include "trainer/automatic_layout.h"

#include <gtest/gtest.h>

#include "trainer/config/rules.h"

namespace sextant::trainer::automatic_layout_test {
namespace {

constexpr double kGib = 1 << 30;

// A billion parameters: 15 GiB of state in fp32 and 2 GiB of activations.
Run billion() {
  Run run;
  run.mutable_run()->set_global_batch(64);
  run.mutable_run()->set_micro_batch(1);
  run.mutable_model()->set_layers(16);
  run.mutable_model()->set_width(2048);
  run.mutable_model()->set_heads(16);
  run.mutable_model()->set_context(1024);
  fill_defaults(run, 50257);
  return run;
}

parallel::MeshSettings chosen(const Run& run, int64_t ranks, int64_t on_machine, double gib) {
  return choose_layout(run, {ranks, on_machine, gib * kGib}).mesh;
}

TEST(AutomaticLayout, CopiesTheModelWhereItFits) {
  auto mesh = chosen(billion(), 8, 8, 64);
  EXPECT_EQ(mesh.zero_stage(), 0);
  EXPECT_EQ(mesh.tensor(), 1);
  EXPECT_EQ(mesh.pipeline(), 1);
}

TEST(AutomaticLayout, ShardsNoMoreThanItMust) {
  EXPECT_EQ(chosen(billion(), 8, 8, 16).zero_stage(), 1);
  EXPECT_EQ(chosen(billion(), 8, 8, 10).zero_stage(), 2);
  EXPECT_EQ(chosen(billion(), 8, 8, 6).zero_stage(), 3);
  EXPECT_EQ(chosen(billion(), 8, 8, 6).tensor(), 1);
  EXPECT_GT(chosen(billion(), 8, 8, 4).tensor(), 1);
}

TEST(AutomaticLayout, SplitsTheModelWhereTheBatchLeavesRanksIdle) {
  auto run = billion();
  run.mutable_run()->set_global_batch(2);
  auto mesh = chosen(run, 8, 8, 64);
  EXPECT_EQ(mesh.tensor(), 4);
  EXPECT_EQ(mesh.pipeline(), 1);
  // Tensor parallelism stays inside a machine.
  mesh = chosen(run, 8, 2, 64);
  EXPECT_EQ(mesh.tensor(), 2);
  EXPECT_EQ(mesh.pipeline(), 2);
}

TEST(AutomaticLayout, SaysWhatItChoseAndWhy) {
  LayoutChoice choice = choose_layout(billion(), {8, 8, 16 * kGib});
  EXPECT_NE(choice.reason.find("zero_stage=1"), std::string::npos) << choice.reason;
  EXPECT_NE(choice.reason.find("data=8 zero_stage=0 tensor=1 pipeline=1 would take"), std::string::npos)
      << choice.reason;
  choice = choose_layout(billion(), {8, 8, 0.1 * kGib});
  EXPECT_NE(choice.reason.find("more than"), std::string::npos) << choice.reason;
}

TEST(AutomaticLayout, IsForSettingsThatSayNothing) {
  parallel::MeshSettings mesh;
  EXPECT_TRUE(leaves_layout_open(mesh));
  mesh.set_zero_stage(0);
  EXPECT_FALSE(leaves_layout_open(mesh));
}

TEST(MemoryOfRank, CountsSixteenBytesAParameter) {
  auto run = billion();
  parallel::MeshSettings mesh;
  double whole = memory_of_rank(run, mesh, {1}).state();
  EXPECT_NEAR(whole / 16, 1.0e9, 0.05e9);
  mesh.set_zero_stage(3);
  EXPECT_DOUBLE_EQ(memory_of_rank(run, mesh, {4}).state(), whole / 4);
  mesh.set_zero_stage(1);
  EXPECT_DOUBLE_EQ(memory_of_rank(run, mesh, {4}).state(), whole / 2 + whole / 8);
}

TEST(MemoryOfRank, CountsMastersOfBf16AsTheyLieInMemory) {
  auto run = billion();
  double fp32 = memory_of_rank(run, {}, {1}).state();
  run.mutable_numerics()->set_compute(NumericsSettings::bf16);
  EXPECT_DOUBLE_EQ(memory_of_rank(run, {}, {1}).state(), fp32 / 16 * 16.125);
  RankResources gpu{1, 1, 0, RankResources::Processor::kGpu};
  EXPECT_DOUBLE_EQ(memory_of_rank(run, {}, gpu).state(), fp32 / 16 * 18);
}

TEST(MemoryOfRank, CutsExpertsByTheirOwnAxisAlone) {
  auto run = billion();
  double dense = memory_of_rank(run, {}, {1}).state();
  run.mutable_model()->mutable_experts()->set_count(8);
  run.mutable_model()->mutable_experts()->set_ffn_width(run.model().ffn_width());
  double mixed = memory_of_rank(run, {}, {1}).state();
  EXPECT_GT(mixed, 4 * dense);
  parallel::MeshSettings mesh;
  mesh.set_tensor(2);
  double by_tensor = memory_of_rank(run, mesh, {8}).state();
  EXPECT_GT(by_tensor, 0.85 * mixed);
  mesh.set_expert(4);
  EXPECT_LT(memory_of_rank(run, mesh, {8}).state(), by_tensor / 2);
}

}  // namespace
}  // namespace sextant::trainer::automatic_layout_test
