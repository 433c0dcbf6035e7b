#include "trainer/report/run_settings.h"

#include <google/protobuf/message.h>

#include <memory>
#include <optional>

#include "trainer/config/field.h"
#include "trainer/config/load.h"
#include "trainer/config/yaml_writer.h"

namespace sextant::trainer {
namespace {

namespace pb = google::protobuf;

RunSetting setting_of(const pb::Descriptor& root, const YamlLine& line) {
  RunSetting setting{line.key, line.value, "", true};
  const pb::FieldDescriptor* field = field_at(root, line.key);
  if (field == nullptr) return setting;
  std::optional<std::string> constant = default_text(*field);
  setting.by_default = constant ? *constant : facts_of(*field).default_is;
  setting.changed = !constant || *constant != line.value;
  return setting;
}

}  // namespace

RunConfig read_run_config(const std::filesystem::path& file, const KindOfFile& kind) {
  const pb::Descriptor& descriptor = kind(file);
  std::unique_ptr<pb::Message> message(
      pb::MessageFactory::generated_factory()->GetPrototype(&descriptor)->New());
  load_config(file, {}, *message, nullptr);
  RunConfig config;
  bool pretraining = &descriptor == Run::descriptor();
  config.stage = pretraining ? "pretrain" : descriptor.field(descriptor.field_count() - 1)->name();
  for (const YamlLine& line : yaml_lines(*message, UnsetFields::kLeftOut)) {
    if (!line.key.empty()) config.settings.push_back(setting_of(descriptor, line));
  }
  return config;
}

}  // namespace sextant::trainer
