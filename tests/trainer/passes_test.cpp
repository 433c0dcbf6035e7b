// Pipelines of every kind against one rank.
#include "trainer/passes.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "parallel/group_threads.h"
#include "trainer/assembly.h"
#include "trainer/config/rules.h"
#include "trainer/evaluation/shared_prefix_scores.h"
#include "trainer/generation/generate.h"
#include "trainer/loss.h"
#include "trainer/model/initialise.h"

namespace sextant::trainer::passes_test {
namespace {

using parallel::MeshSettings;

constexpr int64_t kSteps = 10, kRows = 8;

Run small_run(ModelSettings::Kind kind, NumericsSettings::Compute compute) {
  Run run;
  run.mutable_run()->set_steps(kSteps);
  run.mutable_run()->set_global_batch(kRows);
  run.mutable_run()->set_micro_batch(1);
  run.mutable_run()->set_seed(5);
  ModelSettings& model = *run.mutable_model();
  model.set_kind(kind);
  model.set_layers(8);
  model.set_width(32);
  model.set_heads(4);
  model.set_context(12);
  model.set_vocabulary(80);
  run.mutable_optimizer()->set_learning_rate(1e-2);
  run.mutable_optimizer()->set_warmup_steps(2);
  run.mutable_numerics()->set_compute(compute);
  fill_defaults(run, 0);
  return run;
}

// Rows of a step: documents of unequal length, some positions that do not count.
data::Batch batch_of(int64_t step, int64_t vocabulary, int64_t time) {
  at::Tensor tokens = at::remainder(at::arange(kRows * (time + 1)) * (7 + step) + step * step, vocabulary);
  tokens = at::remainder(tokens * tokens + 3 * tokens, vocabulary).view({kRows, time + 1});
  data::Batch batch;
  batch.rows = kRows;
  batch.time = time;
  for (int64_t row = 0; row < kRows; ++row) {
    for (int64_t t = 0; t < time; ++t) {
      int64_t begin = t < 4 + row ? 0 : 4 + row;
      batch.tokens.push_back(tokens[row][t].item<int64_t>());
      batch.targets.push_back(tokens[row][t + 1].item<int64_t>());
      batch.loss_mask.push_back((row + t) % 5 == 0 ? 0.0f : 1.0f);
      batch.positions.push_back(t - begin);
      batch.documents.push_back(begin == 0 ? 0 : 1);
    }
  }
  return batch;
}

struct Trained {
  std::vector<StepReport> reports;
  std::map<std::string, at::Tensor> weights;  // what this rank holds
};

Trained train(const Run& run, parallel::Group& world) {
  Assembly assembly(run, world, at::kCPU);
  initialise(assembly.step().pieces(), run.run().seed());
  assembly.step().refresh_values();
  Breakdown breakdown;
  Trained trained;
  int64_t slices = assembly.mesh().data().size(), slice = assembly.mesh().data().rank().value();
  for (int64_t s = 0; s < kSteps; ++s) {
    data::Batch batch = batch_of(s, run.model().vocabulary(), run.model().context());
    batch = batch.slice(kRows / slices * slice, kRows / slices);
    trained.reports.push_back(
        assembly.step().run(Step(s), batch, run.run().micro_batch(), next_token_loss(7), breakdown));
  }
  for (const auto& parameter : assembly.model().parameters()) {
    trained.weights[parameter->name] = parameter->master.clone();
  }
  return trained;
}

Trained train_alone(const Run& run) {
  auto alone = parallel::single_rank_group();
  return train(run, *alone);
}

void expect_equal(const Trained& got, const Trained& wanted, double tolerance) {
  for (size_t s = 0; s < wanted.reports.size(); ++s) {
    EXPECT_NEAR(got.reports[s].loss, wanted.reports[s].loss, tolerance * wanted.reports[s].loss)
        << "step " << s;
    EXPECT_NEAR(got.reports[s].grad_norm, wanted.reports[s].grad_norm,
                10 * tolerance * wanted.reports[s].grad_norm)
        << "step " << s;
    EXPECT_EQ(got.reports[s].count, wanted.reports[s].count);
  }
  for (const auto& [name, weight] : got.weights) {
    const at::Tensor& reference = wanted.weights.at(name);
    double off = (weight - reference).abs().max().item<double>();
    // Adam makes steps of the learning rate's size of any gradient, rounding's too: key biases, which have
    // none in exact arithmetic, are nothing but that. Ten times the loss's tolerance.
    double scale = std::max(reference.abs().max().item<double>(), 1e-2);
    EXPECT_LE(off, 10 * tolerance * scale) << name;
  }
}

struct Case {
  int32_t ranks;
  MeshSettings::Schedule schedule;
  std::vector<int32_t> layers;  // of the stages; empty: balanced
  int32_t micro_batch = 1;
  NumericsSettings::Recompute recompute = NumericsSettings::none;
  int32_t data = 1;

  Run apply(Run run) const {
    MeshSettings& mesh = *run.mutable_parallel();
    mesh.set_pipeline(ranks);
    mesh.set_data(data);
    mesh.set_schedule(schedule);
    for (int32_t count : layers) mesh.add_stage_layers(count);
    run.mutable_run()->set_micro_batch(micro_batch);
    run.mutable_numerics()->set_recompute(recompute);
    return run;
  }
  std::string name() const {
    return fmt::format("{} pp{} dp{} micro batch {} {} cut by hand: {}", parallel::schedule_name(schedule),
                       ranks, data, micro_batch, NumericsSettings::Recompute_Name(recompute),
                       !layers.empty());
  }
};

void expect_one_ranks_answer(const Run& run, const std::vector<Case>& cases, double tolerance) {
  Trained reference = train_alone(run);
  for (const Case& which : cases) {
    SCOPED_TRACE(which.name());
    Run cut = which.apply(run);
    std::string complained;
    for (const Complaint& complaint : complaints(cut, which.ranks * which.data))
      complained += complaint.what + "\n";
    // Data shards are not named by these small runs; all other rules hold.
    EXPECT_EQ(complained, "");
    parallel::run_ranks(which.ranks * which.data, [&](parallel::Group& world) {
      expect_equal(train(cut, world), reference, tolerance);
    });
  }
}

const std::vector<Case>& all_schedules() {
  static const std::vector<Case> cases{
      {2, MeshSettings::gpipe, {}},
      {2, MeshSettings::one_forward_one_backward, {}},
      {2, MeshSettings::interleaved, {}},
      {2, MeshSettings::zero_bubble, {}},
      {2, MeshSettings::zero_bubble_v, {}},
      {4, MeshSettings::gpipe, {}},
      {4, MeshSettings::one_forward_one_backward, {}},
      {4, MeshSettings::interleaved, {}},
      {4, MeshSettings::zero_bubble, {}},
      {4, MeshSettings::zero_bubble_v, {}},
      // Seven stages are no divisor of eight microbatches, nor are three.
      {3, MeshSettings::one_forward_one_backward, {1, 5, 2}},
      {3, MeshSettings::interleaved, {1, 1, 1, 1, 1, 3}},
      {3, MeshSettings::zero_bubble_v, {2, 1, 1, 1, 2, 1}},
      {7, MeshSettings::zero_bubble, {1, 1, 2, 1, 1, 1, 1}},
      // Fewer microbatches than stages.
      {4, MeshSettings::one_forward_one_backward, {}, 4},
      {4, MeshSettings::zero_bubble_v, {}, 4},
      {1, MeshSettings::zero_bubble, {}},
      {1, MeshSettings::interleaved, {}},
      {2, MeshSettings::one_forward_one_backward, {}, 1, NumericsSettings::none, 2},
      {2, MeshSettings::zero_bubble_v, {}, 1, NumericsSettings::none, 2},
  };
  return cases;
}

// 1e-10 in fp64: sums of microbatches and of squares are taken in another order.
TEST(Passes, LlamaTrainsAsOnOneRank) {
  expect_one_ranks_answer(small_run(ModelSettings::llama, NumericsSettings::fp64), all_schedules(), 1e-10);
}

// Tied: the first stage and the last both hold the embedding.
TEST(Passes, Gpt2TrainsAsOnOneRank) {
  std::vector<Case> cases{{2, MeshSettings::one_forward_one_backward, {}},
                          {2, MeshSettings::interleaved, {}},
                          {2, MeshSettings::zero_bubble_v, {}},
                          {3, MeshSettings::zero_bubble, {1, 5, 2}},
                          {4, MeshSettings::gpipe, {}},
                          {2, MeshSettings::zero_bubble, {}, 1, NumericsSettings::none, 2}};
  expect_one_ranks_answer(small_run(ModelSettings::gpt2, NumericsSettings::fp64), cases, 1e-10);
}

TEST(Passes, RecomputeChangesNothing) {
  std::vector<Case> cases;
  for (auto recompute : {NumericsSettings::selective, NumericsSettings::full}) {
    for (auto schedule :
         {MeshSettings::one_forward_one_backward, MeshSettings::zero_bubble, MeshSettings::zero_bubble_v}) {
      cases.push_back({2, schedule, {}, 1, recompute});
    }
  }
  for (auto kind : {ModelSettings::llama, ModelSettings::gpt2}) {
    expect_one_ranks_answer(small_run(kind, NumericsSettings::fp64), cases, 1e-10);
  }
}

TEST(Passes, Fp32TrainsAsOnOneRank) {
  std::vector<Case> cases{{2, MeshSettings::one_forward_one_backward, {}},
                          {4, MeshSettings::zero_bubble, {}},
                          {2, MeshSettings::zero_bubble_v, {}}};
  // Ten steps of rounding at 2^-24 each, in sums of another order.
  expect_one_ranks_answer(small_run(ModelSettings::llama, NumericsSettings::fp32), cases, 1e-5);
}

TEST(Passes, BothCopiesOfATiedEmbeddingStayEqualToTheBit) {
  trainer::Run run = Case{4, MeshSettings::one_forward_one_backward, {}}.apply(
      small_run(ModelSettings::gpt2, NumericsSettings::fp32));
  std::vector<at::Tensor> copies(4);
  parallel::run_ranks(4, [&](parallel::Group& world) {
    Trained trained = train(run, world);
    auto found = trained.weights.find("embedding.weight");
    if (found != trained.weights.end()) copies[static_cast<size_t>(world.rank().value())] = found->second;
  });
  ASSERT_TRUE(copies[0].defined() && copies[3].defined());
  EXPECT_FALSE(copies[1].defined() || copies[2].defined());
  EXPECT_TRUE(at::equal(copies[0], copies[3]));
}

// Every rank of a pipeline takes the same prompts into the same rows.
TEST(Passes, GenerateWhatOneRankDoes) {
  trainer::Run run = small_run(ModelSettings::llama, NumericsSettings::fp64);
  run.mutable_model()->set_initial_std(0.3);
  GenerationSettings settings;
  settings.rows = 2;
  settings.tokens = 6;
  settings.stop_when = [](const std::vector<int32_t>& ids) { return ids.back() % 4 == 0; };
  std::vector<std::vector<int32_t>> prompts{{1, 2, 3}, {4}, {5, 6}, {7, 8, 9, 10}, {11, 12}};
  auto draw = [&](const trainer::Run& cut, parallel::Group& world) {
    Assembly assembly(cut, world, at::kCPU);
    initialise(assembly.step().pieces(), 5);
    assembly.step().refresh_values();
    return generate(assembly.passes(), prompts, settings);
  };
  auto alone = parallel::single_rank_group();
  auto wanted = draw(run, *alone);
  for (const Case& which : {Case{2, MeshSettings::one_forward_one_backward, {}},
                            Case{2, MeshSettings::zero_bubble_v, {}}, Case{3, MeshSettings::gpipe, {}}}) {
    SCOPED_TRACE(which.name());
    parallel::run_ranks(which.ranks, [&](parallel::Group& world) {
      auto completions = draw(which.apply(run), world);
      for (size_t i = 0; i < prompts.size(); ++i) {
        EXPECT_EQ(completions[i].ids, wanted[i].ids);
        EXPECT_EQ(completions[i].log_probabilities, wanted[i].log_probabilities);
      }
    });
  }
}

// Items of several texts, of which some go through the model together.
TEST(Passes, ScoreWhatOneRankDoes) {
  trainer::Run run = small_run(ModelSettings::llama, NumericsSettings::fp32);
  run.mutable_model()->set_initial_std(0.3);
  std::vector<TextsOfItem> items{{{{1, 2, 3, 4}, 2, false}, {{1, 2, 5}, 2, false}}, {{{7, 8}, 1, false}}};
  auto score = [&](const trainer::Run& cut, parallel::Group& world) {
    Assembly assembly(cut, world, at::kCPU);
    initialise(assembly.step().pieces(), 5);
    assembly.step().refresh_values();
    KeptPrefix nothing;
    return score_items(assembly.passes(), items, nothing);
  };
  auto alone = parallel::single_rank_group();
  auto wanted = score(run, *alone);
  for (const Case& which :
       {Case{2, MeshSettings::one_forward_one_backward, {}}, Case{3, MeshSettings::gpipe, {}}}) {
    SCOPED_TRACE(which.name());
    parallel::run_ranks(which.ranks, [&](parallel::Group& world) {
      auto scores = score(which.apply(run), world);
      for (size_t i = 0; i < items.size(); ++i) {
        for (size_t text = 0; text < items[i].size(); ++text) {
          EXPECT_EQ(scores[i][text].log_probabilities, wanted[i][text].log_probabilities);
          EXPECT_EQ(scores[i][text].greedy, wanted[i][text].greedy);
        }
      }
    });
  }
}

}  // namespace
}  // namespace sextant::trainer::passes_test
