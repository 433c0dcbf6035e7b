#include "trainer/model/stages.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "trainer/model/flops.h"
#include "trainer/model/model_rules.h"

namespace sextant::trainer::stages_test {
namespace {

using parallel::MeshSettings;

ModelSettings model_of(int32_t layers, int32_t vocabulary) {
  ModelSettings model;
  model.set_layers(layers);
  model.set_width(64);
  model.set_heads(4);
  model.set_context(32);
  model.set_vocabulary(vocabulary);
  fill_model_defaults(model, 0);
  return model;
}

using Counts = std::vector<int64_t>;

TEST(Stages, ASmallVocabularyCutsEvenly) {
  ModelSettings model = model_of(8, 16);
  EXPECT_EQ(balanced_layers(model, 1), Counts({8}));
  EXPECT_EQ(balanced_layers(model, 2), Counts({4, 4}));
  EXPECT_EQ(balanced_layers(model, 4), Counts({2, 2, 2, 2}));
  EXPECT_EQ(balanced_layers(model, 8), Counts(8, 1));
}

// GPT-2 124M: the output layer is worth more than five blocks.
TEST(Stages, TheOutputLayerCountsAsBlocks) {
  ModelSettings model;
  model.set_kind(ModelSettings::gpt2);
  model.set_vocabulary(50304);
  fill_model_defaults(model, 0);
  EXPECT_EQ(balanced_layers(model, 2), Counts({8, 4}));
  EXPECT_EQ(balanced_layers(model, 4), Counts({3, 4, 4, 1}));
}

// No other cut has a cheaper slowest stage: against every cut of small models.
TEST(Stages, NoCutIsBetter) {
  for (int32_t vocabulary : {16, 700, 3000, 20000}) {
    ModelSettings model = model_of(9, vocabulary);
    double head = 6.0 * model.width() * model.vocabulary();
    double block = (training_flops_per_token(model) - head) / model.layers();
    auto slowest = [&](const Counts& layers) {
      double worst = 0;
      for (size_t s = 0; s < layers.size(); ++s) {
        double work = static_cast<double>(layers[s]) * block;
        if (s == 0) work += 6.0 * model.width();
        if (s + 1 == layers.size()) work += head;
        worst = std::max(worst, work);
      }
      return worst;
    };
    double best = slowest({1, 1, 7});
    for (int64_t a = 1; a <= 7; ++a) {
      for (int64_t b = 1; a + b <= 8; ++b) best = std::min(best, slowest({a, b, 9 - a - b}));
    }
    EXPECT_DOUBLE_EQ(slowest(balanced_layers(model, 3)), best) << "vocabulary " << vocabulary;
  }
}

MeshSettings mesh_of(int32_t pipeline, MeshSettings::Schedule kind, const Counts& layers = {}) {
  MeshSettings mesh;
  mesh.set_pipeline(pipeline);
  mesh.set_schedule(kind);
  for (int64_t count : layers) mesh.add_stage_layers(static_cast<int32_t>(count));
  return mesh;
}

std::vector<std::pair<int64_t, int64_t>> pairs(const std::vector<LayerRange>& ranges) {
  std::vector<std::pair<int64_t, int64_t>> all;
  for (const LayerRange& range : ranges) all.emplace_back(range.first, range.last);
  return all;
}

TEST(Stages, RanksHoldTheirChunks) {
  using Pairs = std::vector<std::pair<int64_t, int64_t>>;
  ModelSettings model = model_of(8, 16);
  MeshSettings v = mesh_of(2, MeshSettings::zero_bubble_v, {1, 2, 2, 3});
  EXPECT_EQ(pairs(stages_of_rank(model, v, 0)), (Pairs{{0, 1}, {5, 8}}));
  EXPECT_EQ(pairs(stages_of_rank(model, v, 1)), (Pairs{{1, 3}, {3, 5}}));
  MeshSettings round = mesh_of(2, MeshSettings::interleaved);
  EXPECT_EQ(pairs(stages_of_rank(model, round, 0)), (Pairs{{0, 2}, {4, 6}}));
  EXPECT_EQ(pairs(stages_of_rank(model, round, 1)), (Pairs{{2, 4}, {6, 8}}));
  EXPECT_EQ(pairs(stages_of_rank(model, MeshSettings(), 0)), (Pairs{{0, 8}}));
}

TEST(Stages, APipelineIsDescribed) {
  EXPECT_EQ(pipeline_text(model_of(8, 16), mesh_of(4, MeshSettings::one_forward_one_backward), 5),
            "1f1b over stages of 2 2 2 2 layers, 5 microbatches a step, bubble 37.5 %");
}

std::string complaint(const ModelSettings& model, const MeshSettings& mesh) {
  auto found = stage_complaints(model, mesh);
  return found.empty() ? "none" : found[0].key + ": " + found[0].what;
}

TEST(Stages, WhatDoesNotFitIsRefused) {
  ModelSettings model = model_of(6, 16);
  auto plain = MeshSettings::one_forward_one_backward;
  EXPECT_EQ(complaint(model, mesh_of(6, plain)), "none");
  EXPECT_EQ(complaint(model, mesh_of(7, plain)),
            "parallel.pipeline: 7 stages (parallel.pipeline=7) need a layer each, but model.layers is 6; set "
            "parallel.pipeline=6 or less");
  EXPECT_EQ(complaint(model, mesh_of(4, MeshSettings::interleaved)),
            "parallel.pipeline: 8 stages (parallel.pipeline=4 * parallel.chunks=2) need a layer each, but "
            "model.layers is 6; set parallel.pipeline=3 or less");
  EXPECT_EQ(complaint(model, mesh_of(2, plain, {3, 3})), "none");
  EXPECT_EQ(complaint(model, mesh_of(2, plain, {2, 2, 2})),
            "parallel.stage_layers: 3 numbers for 2 stages (parallel.pipeline=2); give the layers of each "
            "stage, or leave the key out");
  EXPECT_EQ(complaint(model, mesh_of(2, plain, {3, 4})),
            "parallel.stage_layers: 7 layers in all, but model.layers is 6");
  MeshSettings chunks = mesh_of(2, plain);
  chunks.set_chunks(2);
  EXPECT_EQ(complaint(model, chunks),
            "parallel.chunks: the 1f1b schedule has 1 chunk a rank, but parallel.chunks is 2; set "
            "parallel.chunks=1, or parallel.schedule=interleaved");
}

}  // namespace
}  // namespace sextant::trainer::stages_test
