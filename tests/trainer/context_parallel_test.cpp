// Models whose sequences are shared by context ranks: against Hugging Face transformers' numbers, and ten
// training steps against our own single rank.
#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <mutex>
#include <random>

#include "parallel/group_threads.h"
#include "tests/harness/golden_model.h"
#include "trainer/assembly.h"
#include "trainer/loss.h"
#include "trainer/model/initialise.h"
#include "trainer/model/model_rules.h"
#include "trainer/optimizer/optimizer_rules.h"

namespace sextant::trainer::context_parallel_test {
namespace {

using parallel::Group;
using parallel::MeshSettings;

struct GoldenCase {
  const char* file;
  MeshSettings::ContextKind kind;
  int64_t ranks;
};

std::vector<GoldenCase> golden_cases() {
  std::vector<GoldenCase> cases;
  for (const char* file : {"llama.json", "llama_documents.json", "mistral.json", "mistral_documents.json",
                           "qwen3.json", "gpt2.json"}) {
    for (auto kind : {MeshSettings::ring, MeshSettings::ulysses}) {
      for (int64_t ranks : {2, 4}) cases.push_back({file, kind, ranks});
    }
  }
  return cases;
}

class GoldenContext : public testing::TestWithParam<GoldenCase> {};
INSTANTIATE_TEST_SUITE_P(Files, GoldenContext, testing::ValuesIn(golden_cases()), [](const auto& named) {
  std::string file = named.param.file;
  return fmt::format("{}_{}_{}", file.substr(0, file.find('.')),
                     MeshSettings::ContextKind_Name(named.param.kind), named.param.ranks);
});

// Loss and gradients, each rank's added up.
TEST_P(GoldenContext, LossAndGradients) {
  auto [name, kind, ranks] = GetParam();
  golden::Json file = golden::load(name);
  data::Batch batch = golden::batch(file["batch"]);
  constexpr double kRelative = 1e-10;  // both sides are fp64; they differ in the order of sums alone
  parallel::run_ranks(ranks, [&](Group& context) {
    ModelPart part;
    part.context = &context;
    part.context_kind = kind;
    Transformer model(golden::model_settings(file["model"]), NumericsSettings::none,
                      {at::kDouble, at::kDouble}, at::kCPU, part);
    golden::set_weights(model, file["parameters"]);
    LossSum loss =
        loss_of(model, rows_of(batch, 0, batch.rows, at::kCPU, model.context_cut()), next_token_loss(5));
    double count = file["loss_count"], scale = file["gradient_norm"];
    auto totals = parallel::reduce_numbers(context, {loss.sum.item<double>(), loss.count.item<double>()});
    EXPECT_NEAR(totals[0], file["loss_sum"].get<double>(), kRelative * totals[0]);
    EXPECT_EQ(totals[1], count);
    (loss.sum / count).backward();
    for (const auto& parameter : model.parameters()) {
      auto stored = golden::summary(file["gradients"][parameter->name]);
      at::Tensor grad = parameter->value.grad().contiguous().clone();
      context.all_reduce(grad);
      EXPECT_NEAR(grad.norm().item<double>(), stored.l2, kRelative * scale) << parameter->name;
      EXPECT_NEAR(grad.sum().item<double>(), stored.sum, 1e-9 * scale) << parameter->name;
      at::Tensor flat = grad.view({-1});
      for (size_t i = 0; i < stored.first.size(); ++i) {
        EXPECT_NEAR(flat[static_cast<int64_t>(i)].item<double>(), stored.first[i], kRelative * scale)
            << parameter->name << " " << i;
      }
    }
  });
}

constexpr int64_t kSteps = 10, kRows = 4, kTime = 64, kVocabulary = 512;

enum class Documents { kNone, kSeveral };

struct Scene {
  NumericsSettings::Compute compute;
  Documents documents;
  int64_t window;
  NumericsSettings::Recompute recompute = NumericsSettings::none;
};

Run config_of(const Scene& scene, const MeshSettings& mesh) {
  Run run;
  *run.mutable_parallel() = mesh;
  run.mutable_run()->set_steps(kSteps);
  run.mutable_run()->set_global_batch(kRows);
  run.mutable_run()->set_micro_batch(1);
  ModelSettings& model = *run.mutable_model();
  model.set_layers(2);
  model.set_width(64);
  model.set_heads(4);
  model.set_kv_heads(2);
  model.set_ffn_width(128);
  model.set_context(kTime);
  model.set_sliding_window(scene.window);
  run.mutable_numerics()->set_compute(scene.compute);
  run.mutable_numerics()->set_recompute(scene.recompute);
  fill_model_defaults(model, kVocabulary);
  fill_optimizer_defaults(*run.mutable_optimizer(), kSteps);
  return run;
}

// The rows of one step, a pure function of it: documents of 1 to 40 tokens.
data::Batch batch_of(int64_t step, Documents documents) {
  std::mt19937 random(static_cast<uint32_t>(step + 1));
  data::Batch batch;
  batch.rows = kRows;
  batch.time = kTime;
  for (int64_t row = 0; row < kRows; ++row) {
    int64_t begin = 0, end = documents == Documents::kNone ? kTime : 1 + random() % 40;
    for (int32_t t = 0, document = 0; t < kTime; ++t) {
      if (t == end) ++document, begin = t, end = t + 1 + random() % 40;
      batch.tokens.push_back(random() % kVocabulary);
      batch.targets.push_back(random() % kVocabulary);
      batch.loss_mask.push_back(t + 1 == end && t + 1 < kTime ? 0.0F : 1.0F);
      batch.positions.push_back(t - begin);
      if (documents == Documents::kSeveral) batch.documents.push_back(document);
    }
  }
  return batch;
}

struct Trained {
  std::vector<double> losses, norms;
  std::vector<at::Tensor> weights;
};

// Ten steps on this rank's part of the world.
Trained train_ten(const Scene& scene, const MeshSettings& mesh, Group& world) {
  Run config = config_of(scene, mesh);
  Assembly assembly(config, world, at::kCPU);
  initialise(assembly.step().pieces(), 7);
  Breakdown breakdown;
  Trained trained;
  int64_t slice = assembly.mesh().at().data, share = kRows / assembly.mesh().layout().data;
  for (int64_t step = 0; step < kSteps; ++step) {
    data::Batch batch = batch_of(step, scene.documents).slice(slice * share, share);
    StepReport report = assembly.step().run(Step(step), batch, 1, next_token_loss(16), breakdown);
    trained.losses.push_back(report.loss);
    trained.norms.push_back(report.grad_norm);
  }
  for (const auto& parameter : assembly.model().parameters())
    trained.weights.push_back(parameter->value.detach().to(at::kDouble));
  return trained;
}

Trained alone(const Scene& scene) {
  auto world = parallel::single_rank_group("world");
  return train_ten(scene, MeshSettings(), *world);
}

double worst(const std::vector<double>& ours, const std::vector<double>& expected) {
  double most = 0;
  for (size_t i = 0; i < ours.size(); ++i)
    most = std::max(most, std::abs(ours[i] - expected[i]) / std::abs(expected[i]));
  return most;
}

MeshSettings mesh_of(MeshSettings::ContextKind kind, int64_t context, int64_t data) {
  MeshSettings mesh;
  mesh.set_context_kind(kind);
  mesh.set_context(static_cast<int32_t>(context));
  mesh.set_data(static_cast<int32_t>(data));
  return mesh;
}

void expect_alike(const Scene& scene, const MeshSettings& mesh, const Trained& reference, double tolerance) {
  int64_t ranks = int64_t{mesh.context()} * mesh.data();
  parallel::run_ranks(ranks, [&](Group& world) {
    Trained ours = train_ten(scene, mesh, world);
    std::string what = fmt::format("{} context {} data {} documents {} window {}",
                                   MeshSettings::ContextKind_Name(mesh.context_kind()), mesh.context(),
                                   mesh.data(), static_cast<int>(scene.documents), scene.window);
    EXPECT_LT(worst(ours.losses, reference.losses), tolerance) << what;
    EXPECT_LT(worst(ours.norms, reference.norms), 10 * tolerance) << what;
    if (scene.compute != NumericsSettings::fp64) return;
    for (size_t i = 0; i < ours.weights.size(); ++i) {
      double scale = reference.weights[i].abs().max().item<double>();
      EXPECT_LT((ours.weights[i] - reference.weights[i]).abs().max().item<double>(), tolerance * scale)
          << what << " parameter " << i;
    }
  });
}

// Sums of the same numbers in another order: 1e-10 leaves room for ten steps of Adam.
TEST(ContextParallel, TenStepsInDoubleEqualOneRank) {
  for (Documents documents : {Documents::kNone, Documents::kSeveral}) {
    for (int64_t window : {0, 10}) {
      Scene scene{NumericsSettings::fp64, documents, window};
      Trained reference = alone(scene);
      for (auto kind : {MeshSettings::ring, MeshSettings::ulysses}) {
        expect_alike(scene, mesh_of(kind, 2, 1), reference, 1e-10);
        expect_alike(scene, mesh_of(kind, 4, 1), reference, 1e-10);
      }
    }
  }
}

TEST(ContextParallel, ComposesWithDataReplicasAndRecompute) {
  Scene scene{NumericsSettings::fp64, Documents::kSeveral, 10};
  Trained reference = alone(scene);
  scene.recompute = NumericsSettings::full;
  for (auto kind : {MeshSettings::ring, MeshSettings::ulysses})
    expect_alike(scene, mesh_of(kind, 2, 2), reference, 1e-10);
}

// fp32: ten steps of rounding at 6e-8. bf16 is held against fp32 on one rank: 8 bits of every activation.
TEST(ContextParallel, TenStepsInNarrowTypes) {
  for (int64_t window : {0, 10}) {
    Scene scene{NumericsSettings::fp32, Documents::kSeveral, window};
    Trained reference = alone(scene);
    for (auto kind : {MeshSettings::ring, MeshSettings::ulysses}) {
      for (int64_t ranks : {2, 4}) {
        expect_alike(scene, mesh_of(kind, ranks, 1), reference, 1e-5);
        expect_alike({NumericsSettings::bf16, Documents::kSeveral, window}, mesh_of(kind, ranks, 1),
                     reference, 2e-2);
      }
    }
  }
}

TEST(ContextCut, PartsSideBySideAreJoinedToTheRow) {
  at::Tensor row = at::arange(24).view({2, 12});
  for (auto kind : {MeshSettings::ring, MeshSettings::ulysses}) {
    for (int64_t ranks : {1, 2, 3}) {
      std::vector<at::Tensor> parts;
      for (int64_t rank = 0; rank < ranks; ++rank) parts.push_back(ContextCut{kind, rank, ranks}(row));
      EXPECT_TRUE(at::equal((ContextCut{kind, 0, ranks}.joined(at::cat(parts, 1))), row)) << ranks;
    }
  }
}

}  // namespace
}  // namespace sextant::trainer::context_parallel_test
