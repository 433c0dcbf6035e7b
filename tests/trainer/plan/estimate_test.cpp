#include "trainer/plan/estimate.h"

#include <gtest/gtest.h>

#include "trainer/config/rules.h"
#include "trainer/model/flops.h"
#include "trainer/model/transformer.h"

namespace sextant::trainer::estimate_test {
namespace {

using parallel::MeshSettings;
using parallel::Verb;

Run run_of() {
  Run run;
  run.mutable_run()->set_global_batch(16);
  run.mutable_run()->set_micro_batch(2);
  run.mutable_model()->set_layers(4);
  run.mutable_model()->set_width(256);
  run.mutable_model()->set_heads(4);
  run.mutable_model()->set_context(128);
  fill_defaults(run, 1024);
  return run;
}

double bytes(const std::map<parallel::Traffic::Call, double>& calls, Verb verb) {
  double sum = 0;
  for (const auto& [call, count] : calls) {
    if (call.verb == verb) sum += count * static_cast<double>(call.bytes);
  }
  return sum;
}

TEST(Estimate, SumsEveryGradientOnce) {
  auto run = run_of();
  MeshSettings mesh;
  EstimatedCalls calls = estimated_calls(run, mesh, 4);
  double weights = 4.0 * static_cast<double>(model_elements(run.model()));
  EXPECT_NEAR(bytes(calls.of_step, Verb::kAllReduce), weights, 0.001 * weights);
  EXPECT_TRUE(calls.of_microbatch.empty());
  mesh.set_zero_stage(2);
  calls = estimated_calls(run, mesh, 4);
  EXPECT_EQ(bytes(calls.of_step, Verb::kAllReduce), 0);
  EXPECT_NEAR(bytes(calls.of_step, Verb::kReduceScatter), weights, 0.001 * weights);
  EXPECT_NEAR(bytes(calls.of_step, Verb::kAllGather), weights, 0.001 * weights);
}

// Four ranks of eight share out: the rest of the sum is of a quarter, from one group to the other.
TEST(Estimate, ShardGroupsSumAShardBetweenThem) {
  auto run = run_of();
  MeshSettings mesh;
  mesh.set_zero_stage(2);
  mesh.set_shard(4);
  EstimatedCalls calls = estimated_calls(run, mesh, 8);
  double weights = 4.0 * static_cast<double>(model_elements(run.model()));
  EXPECT_NEAR(bytes(calls.of_step, Verb::kAllReduce), weights / 4, 0.001 * weights);
  for (const auto& [call, count] : calls.of_step) {
    EXPECT_EQ(call.members, call.verb == Verb::kAllReduce ? 2 : 4);
    EXPECT_EQ(call.span, call.verb == Verb::kAllReduce ? 5 : 4);
  }
}

TEST(Estimate, ShardedWeightsComeTwiceAMicrobatch) {
  auto run = run_of();
  MeshSettings mesh;
  mesh.set_zero_stage(3);
  EstimatedCalls calls = estimated_calls(run, mesh, 4);
  double weights = 4.0 * static_cast<double>(model_elements(run.model()));
  EXPECT_NEAR(bytes(calls.of_microbatch, Verb::kAllGather), 2 * weights, 0.001 * weights);
  EXPECT_EQ(bytes(calls.of_step, Verb::kAllGather), 0);
}

TEST(Estimate, OneRankSendsNothing) {
  auto run = run_of();
  EstimatedCalls calls = estimated_calls(run, run.parallel(), 1);
  EXPECT_TRUE(calls.of_step.empty());
  EXPECT_TRUE(calls.of_microbatch.empty());
}

// Tensor ranks are neighbours, replicas lie a model's ranks apart.
TEST(Estimate, KnowsHowFarGroupsReach) {
  auto run = run_of();
  MeshSettings mesh;
  mesh.set_tensor(2);
  EstimatedCalls calls = estimated_calls(run, mesh, 8);
  for (const auto& [call, count] : calls.of_microbatch) EXPECT_EQ(call.span, 2);
  for (const auto& [call, count] : calls.of_step) EXPECT_EQ(call.span, 7);
}

TEST(Estimate, TimeIsArithmeticOverSpeed) {
  auto run = run_of();
  Speed speed{1e9, 0.5};
  RankTimes whole = estimated_times(run, run.parallel(), speed);
  double tokens = 2 * 128;
  EXPECT_NEAR(whole.forward + whole.backward, training_flops_per_token(run.model()) * tokens / 0.5e9, 1e-9);
  EXPECT_DOUBLE_EQ(whole.backward, 2 * whole.forward);
  MeshSettings mesh;
  mesh.set_tensor(2);
  mesh.set_pipeline(2);
  EXPECT_DOUBLE_EQ(estimated_times(run, mesh, speed).forward, whole.forward / 4);
  run.mutable_numerics()->set_recompute(NumericsSettings::full);
  EXPECT_DOUBLE_EQ(estimated_times(run, run.parallel(), speed).backward, 3 * whole.forward);
}

}  // namespace
}  // namespace sextant::trainer::estimate_test
