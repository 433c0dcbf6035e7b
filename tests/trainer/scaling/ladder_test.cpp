#include "trainer/scaling/ladder.h"

#include <gtest/gtest.h>

#include "tests/data/scratch_folder.h"
#include "tests/trainer/config/config_text.h"
#include "trainer/config/load.h"
#include "trainer/model/flops.h"

namespace sextant::trainer::ladder_test {
namespace {

using data::expect_has;
using data::message_of;

constexpr int64_t kWords = 320;  // of the tokenizer: a whole number of tiles, so that nothing is rounded up

class LadderTest : public ::testing::Test {
 protected:
  trainer::Run base(const std::string& more = "") const {
    return run_of(
        "run: {steps: 1000, global_batch: 4, micro_batch: 2, stop_at: 7" + more +
        "}\n"
        "model: {kind: llama, layers: 2, width: 32, heads: 4, kv_heads: 2, ffn_width: 96, context: 16}\n"
        "optimizer: {warmup_steps: 100}\n"
        "data: {tokenizer: t.json, train: [a], valid: [b]}\n");
  }
  ScalingLadder settings() const {
    ScalingLadder message;
    load_config_text(
        "base: configs/big.yaml\nfolder: /somewhere\nrungs:\n"
        "  - {width: 16, tokens: 1000}\n  - {width: 16, layers: 3, tokens: 2000}\n"
        "  - {width: 32, tokens: 5000, overrides: [optimizer.learning_rate=1e-4]}\n"
        "  - {name: top, width: 32, tokens: 20001}\n",
        "ladder.yaml", {}, message, nullptr);
    return message;
  }
  Ladder plan(const ScalingLadder& ladder) const { return plan_ladder(ladder, base(), base(), kWords); }
};

TEST_F(LadderTest, PlansWholeUpdatesInProportion) {
  Ladder ladder = plan(settings());
  ASSERT_EQ(ladder.rungs.size(), 4u);
  const trainer::Run& small = ladder.rungs[1].run;
  EXPECT_EQ(ladder.rungs[1].name, "w16-l3");
  EXPECT_EQ(small.run().folder(), "/somewhere/w16-l3");
  EXPECT_EQ(small.model().heads(), 2);
  EXPECT_EQ(small.model().ffn_width(), 48);
  EXPECT_EQ(small.model().layers(), 3);
  EXPECT_EQ(small.run().steps(), 32);  // 2000 / 64 tokens is 31.25
  EXPECT_EQ(small.optimizer().warmup_steps(), 3);
  EXPECT_FALSE(small.run().has_stop_at());
  EXPECT_FALSE(small.parallel().has_tensor()) << "the layout is left to the ranks";
  EXPECT_EQ(ladder.rungs[3].run.run().steps(), 313);
  EXPECT_EQ(ladder.rungs[3].tokens, 313 * 64);
  EXPECT_EQ(ladder.rungs[2].run.optimizer().learning_rate(), 1e-4);
  EXPECT_EQ(ladder.rungs[2].run.optimizer().adamw_learning_rate(), 1e-4) << "what follows follows anew";
  // By hand, width 16, 2 layers, 320 words: embedding and output 2 * 320 * 16; a block 16 * (16 + 8 + 8 + 16)
  // + 3 * 16 * 48 and two norms; a last norm.
  EXPECT_EQ(ladder.rungs[0].parameters, 2 * 320 * 16 + 2 * (16 * 48 + 3 * 16 * 48 + 32) + 16);
  EXPECT_EQ(ladder.rungs[0].non_embedding, 2 * (16 * 48 + 3 * 16 * 48 + 32) + 16);
  EXPECT_EQ(ladder.rungs[0].flops, 16 * 64 * training_flops_per_token(ladder.rungs[0].run.model()));
  EXPECT_EQ(ladder.target.name, "big");
  EXPECT_EQ(ladder.target.tokens, 64000);
}

TEST_F(LadderTest, TableAndPoints) {
  Ladder ladder = plan(settings());
  std::string table = ladder_table(ladder, {1, 2, 3, 4, 50});
  expect_has(table, "w16-l3");
  expect_has(table, "10.00 hours on one rank");
  expect_has(table, "50.000");
  std::string points = ladder_points_csv(ladder, {5.5, 5, 4.5, 4});
  expect_has(points, "name,parameters,non_embedding,tokens,flops,loss\nw16-l2,");
  expect_has(points, ",1024,");
  expect_has(points, ",5.5\n");
}

TEST_F(LadderTest, Refusals) {
  ScalingLadder wrong = settings();
  wrong.mutable_rungs(0)->set_layers(3);
  expect_has(message_of([&] { plan(wrong); }), "rung w16-l3: another one is called so");
  wrong = settings();
  wrong.mutable_rungs(3)->set_tokens(64000);
  expect_has(message_of([&] { plan(wrong); }), "the base is the largest run");
  wrong = settings();
  wrong.mutable_rungs(0)->set_width(17);
  expect_has(message_of([&] { plan(wrong); }), "model.heads");
  wrong = settings();
  wrong.mutable_rungs(2)->set_overrides(0, "optimizer.learning_rat=1");
  expect_has(message_of([&] { plan(wrong); }), "did you mean learning_rate");
  wrong.mutable_rungs(2)->set_overrides(0, "run.micro_batch=3");
  expect_has(message_of([&] { plan(wrong); }), "rung w32-l2: run.global_batch");
  trainer::Run other = base();
  other.mutable_data()->clear_valid();
  expect_has(message_of([&] { plan_ladder(settings(), other, other, kWords); }), "nothing is held out");
  other = base(", start_from: x");
  expect_has(message_of([&] { plan_ladder(settings(), other, other, kWords); }), "run.start_from");
}

TEST_F(LadderTest, ComplainsOfTheFileByItself) {
  ScalingLadder few;
  few.add_rungs()->set_name("../up");
  std::string text = complaints_text(ladder_complaints(few), Origins("l.yaml"));
  expect_has(text, "give 4 or more");
  expect_has(text, "can not be a folder's name");
  EXPECT_TRUE(ladder_complaints(settings()).empty());
}

}  // namespace
}  // namespace sextant::trainer::ladder_test
