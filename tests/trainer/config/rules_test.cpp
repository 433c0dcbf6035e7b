#include "trainer/config/rules.h"

#include <gtest/gtest.h>

#include "tests/trainer/config/config_text.h"
#include "trainer/model/model_rules.h"
#include "trainer/optimizer/optimizer_rules.h"

namespace sextant::trainer::rules_test {
namespace {

std::string refused(const std::string& yaml, int64_t world_size = 0) {
  return refusal_of(with_needed(yaml), {}, world_size);
}

// The batch divides by any small number of ranks.
const std::string kBatch = "run: {global_batch: 64, micro_batch: 1}\n";

TEST(Rules, AcceptDefaultsOnAnyKnownWorld) {
  EXPECT_EQ(refused(""), "");
  EXPECT_EQ(refused("", 1), "");
  EXPECT_EQ(refused("", 8), "");
}

TEST(Rules, HeadsDivideWidth) {
  EXPECT_EQ(refused("model: {width: 64, heads: 5}"),
            "x.yaml:2:27: model.heads: 5 heads do not divide model.width=64; set model.heads=4 or 8");
  EXPECT_EQ(
      refused("model: {width: 60, heads: 20}"),
      "x.yaml:2:27: model.heads: model.width=60 over 20 heads gives a head width of 3, and rotary positions "
      "turn pairs of channels: make it even");
  EXPECT_EQ(refused("model: {kind: gpt2, width: 60, heads: 20}"), "");
  EXPECT_EQ(refused("model: {width: 7, heads: 9}"),
            "x.yaml:2:26: model.heads: 9 heads do not divide model.width=7; set model.heads=7");
  // At the section where neither key was written.
  EXPECT_EQ(refused("model: {width: 100}"),
            "x.yaml:2:1: model.heads: 12 heads do not divide model.width=100; set model.heads=10 or 20");
}

TEST(Rules, KeyValueHeadsDivideHeads) {
  EXPECT_EQ(
      refused("model: {kv_heads: 5}"),
      "x.yaml:2:19: model.kv_heads: 5 key and value heads do not divide model.heads=12; set model.kv_heads=4 "
      "or 6");
  EXPECT_EQ(refused("model: {kv_heads: 4}"), "");
}

TEST(Rules, Gpt2HasNeitherGroupsNorQueryNorms) {
  EXPECT_EQ(refused("model: {kind: gpt2, kv_heads: 4, qk_norm: true}"),
            "x.yaml:2:31: model.kv_heads: gpt2 has no grouped attention: 4 differs from model.heads=12; "
            "remove it, or "
            "set model.kind=llama\n"
            "x.yaml:2:43: model.qk_norm: gpt2 has none; set it to false, or set model.kind=llama");
  EXPECT_EQ(refused("model: {kind: gpt2, kv_heads: 12}"), "");
  EXPECT_EQ(refused("model: {kind: llama, qk_norm: true}"), "");
}

TEST(Rules, ScheduleFitsTheRun) {
  EXPECT_EQ(refused("run: {steps: 10}\noptimizer: {warmup_steps: 11}"),
            "x.yaml:3:27: optimizer.warmup_steps: 11 is more than run.steps=10; set it to 10 or less");
  EXPECT_EQ(refused("run: {steps: 100}\noptimizer: {schedule: wsd, warmup_steps: 30, decay_steps: 71}"),
            "x.yaml:3:59: optimizer.decay_steps: warm-up (30) and decay (71) take more steps than "
            "run.steps=100; set "
            "optimizer.decay_steps to 70 or less");
  EXPECT_EQ(refused("run: {steps: 100}\noptimizer: {schedule: cosine, warmup_steps: 30, decay_steps: 71}"),
            "");
  EXPECT_EQ(refused("run: {steps: 10, stop_at: 11}"),
            "x.yaml:2:27: run.stop_at: 11 is after the last step, run.steps=10; set it to 10 or less, or "
            "remove it");
  EXPECT_EQ(refused("run: {steps: 10, stop_at: 10}"), "");
}

TEST(Rules, KeptCheckpointsAreWritten) {
  EXPECT_EQ(
      refused("run: {checkpoint_every: 300, keep_every: 1000}"),
      "x.yaml:2:42: run.keep_every: 1000 is no multiple of run.checkpoint_every=300, so these steps have no "
      "checkpoint to keep");
  EXPECT_TRUE(
      holds(refused("run: {checkpoint_every: 0, keep_every: 10}"), "run.keep_every: 10 is no multiple"));
  EXPECT_EQ(refused("run: {checkpoint_every: 250, keep_every: 1000}"), "");
}

TEST(Rules, HeldOutDataHasOneSource) {
  std::string data = "data: {tokenizer: t, train: [a], ";
  EXPECT_EQ(
      refusal_of(data + "valid: [b, c], valid_fraction: 0.1}"),
      "x.yaml:1:65: data.valid_fraction: 0.1 of the training data would be held out beside the 2 corpora of "
      "data.valid; give one of the two");
  EXPECT_EQ(refusal_of(data + "valid: [b], valid_fraction: 0}"), "");
  EXPECT_EQ(refused("run: {evaluate_every: 5}"),
            "x.yaml:2:23: run.evaluate_every: there is no held-out data to measure on; give data.valid or "
            "data.valid_fraction");
  EXPECT_EQ(refusal_of(data + "valid: [b]}\nrun: {evaluate_every: 5}"), "");
}

TEST(Rules, BatchDividesOverTheRanks) {
  EXPECT_EQ(refused("run: {global_batch: 8, micro_batch: 3}"),
            "x.yaml:2:21: run.global_batch: 8 sequences can not be divided by run.micro_batch(3); set "
            "run.global_batch=6 or 9, or run.micro_batch=2");
  EXPECT_EQ(
      refused("run: {global_batch: 8, micro_batch: 4}", 4),
      "x.yaml:2:21: run.global_batch: 8 sequences can not be divided by run.micro_batch(4)*data ranks(4)=16; "
      "set run.global_batch=16, or run.micro_batch=2");
  EXPECT_EQ(refused("run: {global_batch: 10, micro_batch: 1}", 4),
            "x.yaml:2:21: run.global_batch: 10 sequences can not be divided by run.micro_batch(1)*data "
            "ranks(4)=4; set "
            "run.global_batch=8 or 12");
  EXPECT_EQ(refused("run: {global_batch: 8, micro_batch: 2}", 4), "");
  // Not known yet how many ranks there are.
  EXPECT_EQ(refused("run: {global_batch: 10, micro_batch: 1}", 0), "");
  EXPECT_TRUE(
      holds(refused("run: {global_batch: 10, micro_batch: 1}\nparallel: {data: 4}", 0), "data ranks(4)=4"));
}

TEST(Rules, MeshIsTheWorld) {
  EXPECT_EQ(refused(kBatch + "parallel: {data: 4}", 2),
            "x.yaml:3:18: parallel.data: mesh pipeline(1)*data(4)*context(1)*tensor(1)=4 but mpirun started "
            "2 ranks; "
            "set parallel.data=2, or start 4 ranks");
  EXPECT_TRUE(holds(
      refused(kBatch + "parallel: {data: 2, tensor: 2}", 2),
      "mesh pipeline(1)*data(2)*context(1)*tensor(2)=4 but mpirun started 2 ranks; set parallel.data=1, "
      "or start 4 ranks"));
  EXPECT_TRUE(
      holds(refused(kBatch + "parallel: {data: 1, tensor: 3}", 4),
            "mesh pipeline(1)*data(1)*context(1)*tensor(3)=3 but mpirun started 4 ranks; start 3 ranks"));
  EXPECT_TRUE(
      holds(refused(kBatch + "parallel: {tensor: 3}", 4),
            "mesh pipeline(1)*context(1)*tensor(3)=3 does not divide the 4 ranks that mpirun started"));
  EXPECT_EQ(refused(kBatch + "parallel: {data: 2}", 2), "");
  EXPECT_EQ(refused(kBatch + "parallel: {data: 2}", 0), "");
}

TEST(Rules, ProductsDoNotOverflow) {
  std::string text = refused(
      "run: {global_batch: 1073741824, micro_batch: 1073741824}\n"
      "parallel: {data: 1048576, tensor: 16384, pipeline: 16384, context: 16384}",
      2);
  EXPECT_TRUE(holds(text, "=4611686018427387904 but mpirun started 2 ranks")) << text;
  EXPECT_TRUE(holds(text, "run.micro_batch(1073741824)*data ranks(1048576)=1125899906842624")) << text;
}

TEST(Rules, TensorRanksShareTheModelEvenly) {
  EXPECT_EQ(refused("model: {width: 64, heads: 8, kv_heads: 2}\nparallel: {tensor: 4}"), "");
  EXPECT_EQ(refused("model: {width: 64, heads: 8, kv_heads: 4}\nparallel: {tensor: 2}"), "");
  EXPECT_EQ(
      refused("model: {width: 64, heads: 8}\nparallel: {tensor: 3}"),
      "x.yaml:2:1: model.context: 1024 is not divisible by parallel.tensor=3; set model.context=1026\n"
      "x.yaml:3:20: parallel.tensor: 3 ranks can not share model.heads=8 evenly; set parallel.tensor=2, or "
      "model.heads to a multiple of 3");
  EXPECT_EQ(
      refused("model: {width: 96, heads: 12, kv_heads: 6}\nparallel: {tensor: 4}"),
      "x.yaml:3:20: parallel.tensor: 4 ranks and model.kv_heads=6: one must be a multiple of the other, "
      "so that each rank has the key heads that its query heads read; set parallel.tensor=3");
  EXPECT_EQ(refused("model: {width: 64, heads: 4, ffn_width: 130, vocabulary: 513}\nparallel: {tensor: 4}"),
            "x.yaml:2:41: model.ffn_width: 130 is not divisible by parallel.tensor=4; set "
            "model.ffn_width=132\n"
            "x.yaml:2:58: model.vocabulary: 513 is not divisible by parallel.tensor=4; set "
            "model.vocabulary=516");
}

TEST(Rules, ReproducibleSumsHaveRoomForSoMany) {
  std::string many = "run: {global_batch: 20000, micro_batch: 1}\nmodel: {context: 512}\n";
  EXPECT_TRUE(holds(refused(many + "numerics: {reduction: reproducible}"),
                    "numerics.reduction: reproducible sums have room for 32768 gradients a step"));
  EXPECT_TRUE(complaints(run_of(with_needed(many)), 0).empty());
}

TEST(Rules, ReproducibleSumsAreNotOverSharedExperts) {
  std::string text = kBatch + "model: {experts: {count: 8}}\nparallel: {data: 2, expert: 2}\n";
  EXPECT_TRUE(holds(refused(text + "numerics: {reduction: reproducible}"),
                    "parallel.expert=2 joins rows of several ranks in one product; set parallel.expert=1, or "
                    "numerics.reduction=fast"));
  EXPECT_TRUE(complaints(run_of(with_needed(text)), 2).empty());
}

TEST(Rules, ExpertsAndTheRanksThatShareThem) {
  const std::string model = "model: {experts: {count: 8}}\n";
  EXPECT_TRUE(holds(refused(kBatch + "parallel: {data: 2, expert: 2}"),
                    "2 ranks can not share the experts of a model that has none; set parallel.expert=1"));
  EXPECT_TRUE(holds(refused(kBatch + model + "parallel: {data: 6, expert: 6}"),
                    "6 ranks do not divide model.experts.count=8; set parallel.expert=2"));
  EXPECT_TRUE(holds(refused(kBatch + model + "parallel: {data: 2, expert: 4}"),
                    "4 expert ranks do not divide 2 data ranks"));
  EXPECT_TRUE(holds(refused("model: {experts: {count: 2, per_token: 3}}"),
                    "a token can not go to 3 of 2 experts; set model.experts.per_token=2"));
  EXPECT_TRUE(holds(refused("model: {kind: gpt2, experts: {count: 2}}"), "gpt2 has none; set it to 0"));
  EXPECT_TRUE(holds(refused("model: {layers: 2, experts: {count: 2, first_layer: 2}}"),
                    "2 is after the last of model.layers=2 blocks"));
  EXPECT_TRUE(holds(refused("model: {feed_forward_bias: true, experts: {count: 2}}"), "experts have none"));
}

TEST(Rules, BlocksAreSpreadOverTensorRanks) {
  const std::string model = "model: {heads: 8, kv_heads: 4, ffn_width: 64, context: 32}\n";
  auto with = [&](const std::string& numerics, const std::string& more = "") {
    return refused(kBatch + model + "numerics: {" + numerics + "}\n" + more);
  };
  const std::string sums = "reduction: reproducible, tensor_blocks: ";
  EXPECT_TRUE(holds(with("tensor_blocks: 4"), "set numerics.reduction=reproducible, or leave"));
  EXPECT_TRUE(holds(with(sums + "3"), "3 is no power of two: blocks are summed by pairs; set it to 4"));
  EXPECT_TRUE(holds(with(sums + "2", "parallel: {data: 1, tensor: 4}"),
                    "2 blocks can not be spread evenly over parallel.tensor=4"));
  EXPECT_TRUE(holds(with(sums + "8"), "8 blocks do not divide model.kv_heads=4 evenly"));
  EXPECT_TRUE(holds(with(sums + "64"), "64 blocks do not divide model.context=32 over"));
}

TEST(Rules, ShardGroupsCutTheDataAxis) {
  EXPECT_TRUE(holds(refused(kBatch + "parallel: {data: 4, shard: 2}"),
                    "nothing is shared out; set parallel.zero_stage=1, 2 or 3, or leave parallel.shard out"));
  EXPECT_TRUE(holds(refused(kBatch + "parallel: {data: 4, zero_stage: 3, shard: 3}"),
                    "3 shard ranks do not divide 4 data ranks"));
  EXPECT_TRUE(
      holds(refused(kBatch +
                    "model: {experts: {count: 8}}\nparallel: {data: 4, zero_stage: 3, shard: 2, expert: 4}"),
            "2 shard ranks can not be cut into groups of 4 expert ranks; set parallel.shard=4"));
}

TEST(Rules, AnswerTheSameOnceDefaultsAreFilled) {
  trainer::Run run = run_of(kNeeded);
  fill_defaults(run, 512);
  EXPECT_TRUE(complaints(run, 4).empty());
  run = run_of(with_needed("model: {heads: 5}\nrun: {steps: 10}\noptimizer: {warmup_steps: 11}"));
  size_t before = complaints(run, 4).size();
  fill_defaults(run, 512);
  EXPECT_EQ(complaints(run, 4).size(), before);
}

TEST(Defaults, FollowOtherFields) {
  trainer::Run run = run_of(with_needed("run: {steps: 199}\nmodel: {heads: 4, width: 64}"));
  fill_defaults(run, 500);
  EXPECT_EQ(run.model().kv_heads(), 4);
  EXPECT_EQ(run.model().ffn_width(), 192);  // 8/3 * 64 = 170.7
  EXPECT_FALSE(run.model().tied_embeddings());
  EXPECT_EQ(run.model().vocabulary(), 512);
  EXPECT_EQ(run.optimizer().warmup_steps(), 3);
  EXPECT_EQ(run.optimizer().decay_steps(), 39);
  EXPECT_TRUE(run.run().has_global_batch());
  EXPECT_TRUE(run.data().train(0).has_weight());
  EXPECT_FALSE(run.parallel().has_data());
  EXPECT_FALSE(run.run().has_stop_at());
}

TEST(Defaults, DependOnTheKindOfModel) {
  ModelSettings llama, gpt2;
  gpt2.set_kind(ModelSettings::gpt2);
  fill_model_defaults(llama, 50257);
  fill_model_defaults(gpt2, 50257);
  EXPECT_EQ(llama.ffn_width(), 2048);
  EXPECT_EQ(gpt2.ffn_width(), 3072);
  EXPECT_FALSE(llama.tied_embeddings());
  EXPECT_TRUE(gpt2.tied_embeddings());
  EXPECT_EQ(gpt2.vocabulary(), 50304);
  ModelSettings wide;
  wide.set_width(4096);
  fill_model_defaults(wide, 0);
  EXPECT_EQ(wide.ffn_width(), 10944);  // 10922.7, up to a multiple of 64
  EXPECT_FALSE(wide.has_vocabulary());
}

TEST(Defaults, LeaveWhatWasGiven) {
  trainer::Run run =
      run_of(with_needed("model: {kv_heads: 1, ffn_width: 7, tied_embeddings: true, vocabulary: 999}\n"
                         "optimizer: {warmup_steps: 0, decay_steps: 0}"));
  fill_defaults(run, 500);
  EXPECT_EQ(run.model().kv_heads(), 1);
  EXPECT_EQ(run.model().ffn_width(), 7);
  EXPECT_TRUE(run.model().tied_embeddings());
  EXPECT_EQ(run.model().vocabulary(), 999);
  EXPECT_EQ(run.optimizer().warmup_steps(), 0);
  EXPECT_EQ(run.optimizer().decay_steps(), 0);
}

TEST(Vocabulary, HoldsTheTokenizers) {
  ModelSettings model;
  EXPECT_TRUE(vocabulary_complaints(model, 50257).empty());
  model.set_vocabulary(50257);
  EXPECT_TRUE(vocabulary_complaints(model, 50257).empty());
  model.set_vocabulary(512);
  std::vector<Complaint> found = vocabulary_complaints(model, 50257);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].key, "model.vocabulary");
  EXPECT_EQ(found[0].what,
            "512 rows are fewer than the tokenizer's 50257 ids; set model.vocabulary=50304, or remove it");
}

}  // namespace
}  // namespace sextant::trainer::rules_test
