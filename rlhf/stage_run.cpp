#include "rlhf/stage_run.h"

#include <fstream>
#include <memory>

#include "parallel/base/error.h"
#include "rlhf/dpo.pb.h"
#include "rlhf/ppo.pb.h"
#include "rlhf/reward.pb.h"
#include "rlhf/rubric.pb.h"
#include "rlhf/rubric_fit.pb.h"
#include "rlhf/rubric_grade.pb.h"
#include "rlhf/safety.pb.h"
#include "rlhf/supervised.pb.h"
#include "trainer/config/load.h"
#include "trainer/config/yaml.h"
#include "trainer/evaluation/eval.pb.h"
#include "trainer/resume.h"
#include "trainer/scaling/ladder.pb.h"
#include "trainer/scaling/task.pb.h"

namespace sextant::rlhf {
namespace {

namespace pb = google::protobuf;

constexpr size_t kMostBytes = size_t{256} << 10;  // as load_config has it

}  // namespace

trainer::Run base_of(const pb::Message& stage) {
  trainer::Run base;
  expect(base.ParseFromString(stage.SerializeAsString()), "a stage's first fields are a run's");
  base.DiscardUnknownFields();
  return base;
}

void set_base(const trainer::Run& base, pb::Message& stage) {
  for (int i = 0; i < trainer::Run::descriptor()->field_count(); ++i) {
    const pb::FieldDescriptor* shared =
        stage.GetDescriptor()->FindFieldByNumber(trainer::Run::descriptor()->field(i)->number());
    stage.GetReflection()->ClearField(&stage, shared);
  }
  expect(stage.MergeFromString(base.SerializeAsString()), "a run's fields are a stage's first");
}

void load_stage(const std::filesystem::path& file, const std::vector<std::string>& overrides,
                pb::Message& stage, trainer::Origins* origins) {
  trainer::load_config(file, overrides, stage, origins);
  trainer::Run base = base_of(stage);
  if (base.run().has_folder()) return;
  base.mutable_run()->set_folder("runs/" + file.stem().string());
  set_base(base, stage);
}

std::vector<std::string> changed_own_settings(const pb::Message& before, const pb::Message& now) {
  auto own = [](const pb::Message& stage) {
    std::unique_ptr<pb::Message> copy(stage.New());
    copy->CopyFrom(stage);
    set_base(trainer::Run(), *copy);
    return copy;
  };
  return trainer::changed_settings(*own(before), *own(now));
}

std::vector<const pb::Descriptor*> stages() {
  return {SupervisedRun::descriptor(), RewardRun::descriptor(), DpoRun::descriptor(), PpoRun::descriptor()};
}

std::vector<const pb::Descriptor*> documents() {
  auto all = stages();
  all.push_back(SafetyRun::descriptor());
  all.push_back(trainer::EvalRun::descriptor());
  all.push_back(RubricFitRun::descriptor());
  all.push_back(RubricGradeRun::descriptor());
  return all;
}

std::vector<const pb::Descriptor*> other_files() {
  return {trainer::ScalingLadder::descriptor(), trainer::TaskLadder::descriptor(), Rubric::descriptor()};
}

const pb::Descriptor& kind_of_file(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::string text(kMostBytes, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(stream.gcount()));
  std::vector<trainer::Complaint> ignored;
  trainer::YamlNode root = trainer::parse_yaml(text, file.string(), ignored);
  for (const pb::Descriptor* stage : documents()) {
    // The document's last section is its own; chat is shared by several.
    const std::string& own = stage->field(stage->field_count() - 1)->name();
    for (const trainer::YamlNode& section : root.children) {
      if (section.key == own) return *stage;
    }
  }
  for (const pb::Descriptor* kind : other_files()) {
    for (const trainer::YamlNode& section : root.children) {
      if (kind->FindFieldByName(section.key) != nullptr) return *kind;
    }
  }
  return *trainer::Run::descriptor();
}

}  // namespace sextant::rlhf
