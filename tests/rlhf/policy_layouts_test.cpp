// Whole steps of PPO and GRPO under every layout against one rank.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "parallel/group_threads.h"
#include "rlhf/policy.h"
#include "rlhf/ppo_rules.h"
#include "rlhf/stage_run.h"
#include "tests/data/byte_tokenizer.h"
#include "tests/data/scratch_folder.h"
#include "tests/rlhf/axes.h"
#include "trainer/config/rules.h"
#include "trainer/model/initialise.h"

namespace sextant::rlhf::policy_layouts_test {
namespace {

PpoRun settings_of(PpoSettings::Advantages advantages) {
  PpoRun settings;
  trainer::RunSettings& run = *settings.mutable_run();
  run.set_steps(2);
  run.set_global_batch(8);
  run.set_micro_batch(2);
  run.set_log_every(1);
  run.set_seed(1);
  trainer::ModelSettings& model = *settings.mutable_model();
  model.set_kind(trainer::ModelSettings::llama);
  model.set_layers(4);
  model.set_width(32);
  model.set_heads(4);
  model.set_kv_heads(2);
  model.set_context(32);
  model.set_initial_std(0.15);
  trainer::OptimizerSettings& optimizer = *settings.mutable_optimizer();
  optimizer.set_learning_rate(1e-3);
  optimizer.set_warmup_steps(0);
  optimizer.set_schedule(trainer::OptimizerSettings::constant);
  settings.mutable_numerics()->set_compute(trainer::NumericsSettings::fp32);
  PpoSettings& ppo = *settings.mutable_ppo();
  ppo.set_episodes(16);
  ppo.set_response_tokens(18);
  ppo.set_rows(3);
  ppo.set_epochs(2);
  ppo.set_value_learning_rate(1e-3);
  ppo.set_advantages(advantages);
  if (has_values(ppo)) return settings;
  ppo.set_answers_per_prompt(4);
  ppo.set_mean(PpoSettings::answers);
  ppo.mutable_kl()->set_place(KlSettings::loss);
  ppo.mutable_kl()->set_estimator(KlSettings::k3);
  return settings;
}

trainer::Run run_of(const PpoRun& settings, const Axes& layout) {
  trainer::Run run = base_of(settings);
  layout.apply(*run.mutable_parallel());
  trainer::fill_defaults(run, 264);  // the tokenizer's 257, and what tensor ranks can share
  std::string complained;
  for (const auto& one : trainer::complaints(run, layout.ranks(), trainer::RowsFrom::kStage))
    complained += one.what + "\n";
  EXPECT_EQ(complained, "");
  return run;
}

PromptSet prompts() {
  PromptSet set;
  for (int32_t i = 0; i < 7; ++i) {
    Prompt prompt;
    for (int32_t t = 0; t < 3 + i; ++t) prompt.ids.push_back('a' + (5 * i + 3 * t) % 26);
    set.prompts.push_back(prompt);
  }
  return set;
}

Rubric rubric() {
  Rubric rubric;
  Rule& letters = *rubric.add_rules();
  letters.set_name("letters");
  letters.set_kind(Rule::regex);
  letters.set_pattern("[a-m]");
  return rubric;
}

void fill(trainer::Assembly& assembly, uint64_t seed) {
  trainer::initialise(assembly.step().pieces(), seed);
  assembly.step().refresh_values();
}

using Metrics = std::vector<std::map<std::string, double>>;  // of each step

Metrics metrics_in(const std::filesystem::path& file) {
  Metrics steps;
  std::istringstream lines(data::ScratchFolder::read(file));
  for (std::string line; std::getline(lines, line);) {
    auto& numbers = steps.emplace_back();
    nlohmann::json read = nlohmann::json::parse(line);
    for (const auto& [name, value] : read.items())
      if (value.is_number()) numbers[name] = value.get<double>();
  }
  return steps;
}

void train_on(parallel::Group& world, PpoRun settings, const trainer::Run& config,
              const data::ScratchFolder& folder) {
  set_base(config, settings);
  trainer::Run scalar = value_run(settings, config, nullptr);
  trainer::Assembly policy(config, world, at::kCPU);
  auto filled = [](uint64_t seed) {
    return [seed](const trainer::ParameterList& weights) { trainer::initialise(weights, seed); };
  };
  FrozenModel reference(config.model(), config, policy, world, settings.ppo().reference_placement(),
                        filled(1));
  FrozenModel reward(scalar.model(), config, policy, world, settings.rewards().model_placement(), filled(2));
  std::optional<trainer::Assembly> value;
  if (has_values(settings.ppo())) value.emplace(scalar, world, at::kCPU);
  fill(policy, 1);
  if (value) fill(*value, 2);
  data::Tokenizer tokenizer = data::byte_tokenizer();
  data::ChatTemplate form(data::ChatSettings(), tokenizer, "");
  RubricScorer scorer(rubric(), "rubric", at::kCPU);
  PromptSet asked = prompts();
  MovingAverage average(policy.step().pieces(), 0.9);
  KlController kl(settings.ppo().kl());
  trainer::CheckpointWriter checkpoints(folder / "checkpoints", world, {});
  std::optional<trainer::RunLog> log;
  std::optional<trainer::AppendFile> episodes;
  if (world.rank() == Rank(0)) {
    log.emplace(folder / "", config.run(), Step(0), Step(config.run().steps()));
    episodes.emplace(folder / "samples.jsonl");
  }
  PolicyTraining training{settings,
                          config,
                          world,
                          policy,
                          value ? &*value : nullptr,
                          reference,
                          &reward,
                          &scorer,
                          asked,
                          form,
                          tokenizer,
                          nullptr,
                          {},
                          average,
                          kl,
                          checkpoints,
                          {},
                          {},
                          log ? &*log : nullptr,
                          episodes ? &*episodes : nullptr,
                          [] { return false; },
                          trainer::Guard(1, 0)};
  train_policy(training, Step(0));
}

Metrics train(const PpoRun& settings, const Axes& layout) {
  data::ScratchFolder folder;
  trainer::Run config = run_of(settings, layout);
  config.mutable_run()->set_checkpoint_every(0);
  parallel::run_ranks(layout.ranks(),
                      [&](parallel::Group& world) { train_on(world, settings, config, folder); });
  return metrics_in(folder / "metrics.jsonl");
}

// fp32 rounds at 6e-8, and sums of a few hundred terms in another order differ by some of these; the second
// step is of weights that Adam has moved by the first, where near 0 a gradient's rounding turns its sign.
void expect_equal(const Metrics& found, const Metrics& wanted) {
  ASSERT_EQ(found.size(), wanted.size());
  for (size_t step = 0; step < wanted.size(); ++step) {
    double tolerance = step == 0 ? 1e-5 : 1e-3;
    for (const auto& [name, number] : wanted[step]) {
      if (name.find("second") != std::string::npos || name == "memory_bytes" || name == "mfu") continue;
      ASSERT_TRUE(found[step].contains(name)) << name;
      EXPECT_NEAR(found[step].at(name), number, tolerance * (1 + std::abs(number)))
          << name << " of step " << step + 1;
    }
  }
}

void expect_one_ranks_steps(const PpoRun& settings, const std::vector<Axes>& layouts) {
  Metrics wanted = train(settings, {});
  ASSERT_EQ(wanted.size(), 2u);
  EXPECT_NEAR(wanted[0].at("kl"), 0, 1e-5);
  EXPECT_NE(wanted[0].at("reward"), 0);
  EXPECT_GT(wanted[0].at("ended"), 0) << "ranks have done after different numbers of passes";
  for (const Axes& layout : layouts) {
    SCOPED_TRACE(layout.text());
    expect_equal(train(settings, layout), wanted);
  }
}

const Axes kLayouts[] = {
    {.data = 2},
    {.tensor = 2},
    {.pipeline = 2},
    {.context = 2},
    {.context = 2, .context_kind = parallel::MeshSettings::ulysses},
    {.data = 2, .zero_stage = 3},
    {.data = 2, .context = 2, .zero_stage = 3},
    {.data = 2, .tensor = 2, .pipeline = 2, .context = 2, .zero_stage = 1},
};

TEST(PolicySteps, OfPpoAreOneRanks) {
  expect_one_ranks_steps(settings_of(PpoSettings::generalised), {std::begin(kLayouts), std::end(kLayouts)});
}

TEST(PolicySteps, OfGrpoAreOneRanks) {
  expect_one_ranks_steps(settings_of(PpoSettings::group), {kLayouts[2], kLayouts[3], kLayouts[7]});
}

TEST(PolicySteps, DoNotDependOnWhereReferenceAndRewardModelStand) {
  PpoRun settings = settings_of(PpoSettings::generalised);
  Metrics wanted = train(settings, {});
  settings.mutable_ppo()->set_reference_placement(Placement::offloaded);
  settings.mutable_rewards()->set_model_placement(Placement::offloaded);
  expect_equal(train(settings, {}), wanted);
  settings.mutable_ppo()->set_reference_placement(Placement::sharded);
  settings.mutable_rewards()->set_model_placement(Placement::sharded);
  expect_equal(train(settings, {.data = 2}), wanted);
  expect_equal(train(settings, {.tensor = 2, .context = 2}), wanted);
}

// Ranks that share experts draw other answers, and meet in every pass.
TEST(PolicySteps, WithExpertsAreOneRanks) {
  PpoRun settings = settings_of(PpoSettings::group_mean);
  settings.mutable_model()->mutable_experts()->set_count(4);
  expect_one_ranks_steps(settings,
                         {{.data = 2}, {.data = 2, .expert = 2}, {.data = 2, .pipeline = 2, .expert = 2}});
}

}  // namespace
}  // namespace sextant::rlhf::policy_layouts_test
