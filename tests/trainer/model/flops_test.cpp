// Counts of weights and operations, against sums written out.
#include "trainer/model/flops.h"

#include <gtest/gtest.h>

#include "trainer/model/model_rules.h"
#include "trainer/model/transformer.h"

namespace sextant::trainer::flops_test {
namespace {

// Mixtral 8x7B as its config.json says: 46.7 billion parameters, 12.9 billion of them active (Jiang et al.
// 2024, section 2).
ModelSettings mixtral_8x7b() {
  ModelSettings settings;
  settings.set_layers(32);
  settings.set_width(4096);
  settings.set_heads(32);
  settings.set_kv_heads(8);
  settings.set_ffn_width(14336);
  settings.set_vocabulary(32000);
  settings.set_context(32768);
  settings.mutable_experts()->set_count(8);
  settings.mutable_experts()->set_per_token(2);
  fill_model_defaults(settings, 0);
  return settings;
}

TEST(Flops, OfAMixtureCountTheWeightsThatATokenPassesThrough) {
  ModelSettings settings = mixtral_8x7b();
  int64_t attention = 4096 * (4096 + 2 * 1024 + 4096), expert = int64_t{3} * 4096 * 14336, router = 4096 * 8;
  EXPECT_EQ(matrix_weights(settings), 32 * (attention + 2 * expert + router) + int64_t{4096} * 32000);
  EXPECT_EQ(idle_weights(settings), 32 * 6 * expert);
  Transformer shapes(settings, NumericsSettings::none, {}, at::kMeta);
  int64_t all = shapes.parameters().elements();
  EXPECT_EQ(all, 46702792704);  // transformers' count of mistralai/Mixtral-8x7B-v0.1
  EXPECT_NEAR(static_cast<double>(all - idle_weights(settings)), 12.88e9, 0.01e9);
}

TEST(Flops, DenseLayersBesideExpertsAndSharedOnes) {
  ModelSettings settings = mixtral_8x7b();
  ExpertSettings& experts = *settings.mutable_experts();
  experts.set_first_layer(2);
  experts.set_every(3);
  experts.set_shared(1);
  experts.set_ffn_width(100);
  EXPECT_EQ(expert_layers(settings), 10);  // 2, 5, ..., 29
  int64_t attention = 4096 * (4096 + 2 * 1024 + 4096), dense = int64_t{3} * 4096 * 14336;
  EXPECT_EQ(
      matrix_weights(settings),
      32 * attention + 22 * dense + 10 * (int64_t{3} * 4096 * 100 * 3 + 4096 * 8) + int64_t{4096} * 32000);
}

}  // namespace
}  // namespace sextant::trainer::flops_test
