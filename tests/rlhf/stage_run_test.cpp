#include "rlhf/stage_run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "rlhf/ppo.pb.h"
#include "rlhf/reward.pb.h"
#include "rlhf/rubric.pb.h"
#include "rlhf/safety_evaluation.h"
#include "rlhf/supervised.pb.h"
#include "tests/harness/checkout.h"
#include "trainer/config/load.h"
#include "trainer/config/reference.h"
#include "trainer/config/rules.h"
#include "trainer/scaling/ladder.pb.h"
#include "trainer/scaling/task.pb.h"

namespace sextant::rlhf::stage_run_test {
namespace {

namespace fs = std::filesystem;

std::string committed(const std::string& path) {
  std::ifstream stream(harness::checkout() / path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

TEST(StageRun, FirstSectionsAreThoseOfARun) {
  for (const auto* stage : stages()) {
    for (int i = 0; i < trainer::Run::descriptor()->field_count(); ++i) {
      const auto* field = trainer::Run::descriptor()->field(i);
      const auto* same = stage->FindFieldByNumber(field->number());
      ASSERT_NE(same, nullptr) << stage->name() << " " << field->name();
      EXPECT_EQ(same->name(), field->name()) << stage->name();
      EXPECT_EQ(same->message_type(), field->message_type()) << stage->name();
    }
    for (int i = 0; i < stage->field_count(); ++i)
      EXPECT_TRUE(stage->field(i)->number() <= 6 || stage->field(i)->number() >= 16) << stage->name();
  }
}

TEST(StageRun, BaseComesOutAndGoesBack) {
  SupervisedRun stage;
  stage.mutable_run()->set_steps(7);
  stage.mutable_supervised()->add_train("a.jsonl");
  trainer::Run base = base_of(stage);
  EXPECT_EQ(base.run().steps(), 7);
  EXPECT_EQ(base.ByteSizeLong(), trainer::Run(base).ByteSizeLong());
  EXPECT_TRUE(base.unknown_fields().empty());
  base.mutable_run()->clear_steps();
  base.mutable_run()->set_seed(3);
  set_base(base, stage);
  EXPECT_FALSE(stage.run().has_steps()) << "what the base lost is gone";
  EXPECT_EQ(stage.run().seed(), 3u);
  EXPECT_EQ(stage.supervised().train(0), "a.jsonl");
}

TEST(StageRun, FilesAreKnownByTheirSections) {
  fs::path configs = harness::checkout() / "configs";
  EXPECT_EQ(&kind_of_file(configs / "pretrain/quickstart.yaml"), trainer::Run::descriptor());
  EXPECT_EQ(&kind_of_file(configs / "rlhf/quickstart_sft.yaml"), SupervisedRun::descriptor());
  EXPECT_EQ(&kind_of_file(configs / "rlhf/quickstart_ppo.yaml"), PpoRun::descriptor());
  EXPECT_EQ(&kind_of_file(configs / "rlhf/quickstart_reward.yaml"), RewardRun::descriptor());
  EXPECT_EQ(&kind_of_file(configs / "ladders/quickstart.yaml"), trainer::ScalingLadder::descriptor());
  EXPECT_EQ(&kind_of_file(configs / "ladders/olmo_tasks.yaml"), trainer::TaskLadder::descriptor());
  EXPECT_EQ(&kind_of_file(configs / "rubrics/quickstart.yaml"), Rubric::descriptor());
}

TEST(StageRun, EveryShippedConfigurationLoads) {
  int64_t files = 0;
  for (const auto& entry : fs::directory_iterator(harness::checkout() / "configs/rlhf")) {
    SCOPED_TRACE(entry.path().string());
    const auto& kind = kind_of_file(entry.path());
    ASSERT_NE(&kind, trainer::Run::descriptor());
    std::unique_ptr<google::protobuf::Message> stage(
        google::protobuf::MessageFactory::generated_factory()->GetPrototype(&kind)->New());
    trainer::Origins origins;
    ++files;
    auto all = stages();
    if (std::find(all.begin(), all.end(), &kind) == all.end()) {
      trainer::load_config(entry.path(), {}, *stage, &origins);
      if (&kind == SafetyRun::descriptor())
        trainer::check(safety_complaints(static_cast<const SafetyRun&>(*stage)), origins);
      continue;
    }
    load_stage(entry.path(), {}, *stage, &origins);
    trainer::check(trainer::complaints(base_of(*stage), 0, trainer::RowsFrom::kStage), origins);
  }
  EXPECT_GT(files, 0);
}

TEST(Reference, PageIsFresh) {
  EXPECT_EQ(committed("docs/configuration.md"),
            trainer::reference_markdown(*trainer::Run::descriptor(), documents(), other_files()))
      << "docs/configuration.md is stale: run `build/cpu/sextant config reference > docs/configuration.md`";
}

TEST(Reference, SchemaIsFresh) {
  EXPECT_EQ(committed("configs/sextant.schema.json"),
            trainer::json_schema(*trainer::Run::descriptor(), documents(), other_files()))
      << "configs/sextant.schema.json is stale: run `build/cpu/sextant config schema > "
         "configs/sextant.schema.json`";
}

}  // namespace
}  // namespace sextant::rlhf::stage_run_test
