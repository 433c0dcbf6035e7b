#include "trainer/resume.h"

#include <fmt/format.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "parallel/base/error.h"
#include "trainer/config/yaml_writer.h"

namespace sextant::trainer {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// What decides the training's answer: sections, or single keys.
constexpr std::array<std::string_view, 6> kMustStay = {"model.",       "run.seed",     "run.global_batch",
                                                       "data.packing", "data.shuffle", "optimizer.kind"};
// Where files lie and how the run is watched; contents are compared by fingerprint.
constexpr std::array<std::string_view, 4> kSilent = {"run.folder", "run.stop_at", "data.",
                                                     "model.initial_std"};

template <size_t n>
bool begins_with_any(std::string_view key, const std::array<std::string_view, n>& beginnings) {
  return std::any_of(beginnings.begin(), beginnings.end(),
                     [&](std::string_view b) { return key.starts_with(b); });
}

// A field's value as a YAML has it.
std::string text(const Message& message, const FieldDescriptor* field) {
  if (!field->is_repeated()) return yaml_value(message, *field);
  std::vector<std::string> values;
  const auto& reflection = *message.GetReflection();
  for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
    bool nested = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    values.push_back(nested ? to_yaml(reflection.GetRepeatedMessage(message, field, i))
                            : yaml_value(message, *field, i));
  }
  return fmt::format("[{}]", fmt::join(values, ", "));
}

// Calls `visit` with the key and the line of every field that differs.
template <class Visit>
void each_change(const Message& before, const Message& now, const std::string& prefix, const Visit& visit) {
  const auto* descriptor = before.GetDescriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor* field = descriptor->field(i);
    std::string key = prefix + field->name();
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !field->is_repeated()) {
      each_change(before.GetReflection()->GetMessage(before, field),
                  now.GetReflection()->GetMessage(now, field), key + ".", visit);
      continue;
    }
    std::string old_text = text(before, field), new_text = text(now, field);
    if (old_text != new_text) visit(key, fmt::format("{}: {} -> {}", key, old_text, new_text));
  }
}

}  // namespace

std::vector<std::string> changed_settings(const Message& before, const Message& now) {
  std::vector<std::string> changed;
  each_change(before, now, "",
              [&](const std::string&, std::string line) { changed.push_back(std::move(line)); });
  return changed;
}

ResumeDifferences check_resume(const Manifest& manifest, const Run& config, uint64_t data_fingerprint,
                               uint64_t tokenizer_fingerprint) {
  std::vector<std::string> refused;
  ResumeDifferences differences;
  each_change(manifest.config(), config, "", [&](const std::string& key, std::string line) {
    if (begins_with_any(key, kMustStay) && key != "model.initial_std") {
      refused.push_back(std::move(line));
    } else if (!begins_with_any(key, kSilent)) {
      differences.changed.push_back(std::move(line));
    }
  });
  if (manifest.tokenizer_fingerprint() != tokenizer_fingerprint) {
    refused.push_back("data.tokenizer: it gives other ids than the one the run began with");
  }
  if (manifest.data_fingerprint() != data_fingerprint) {
    refused.push_back(
        "the data: the shards or files, their weights or their order are not those the run began with");
  }
  if (refused.empty()) return differences;
  std::string message = fmt::format(
      "the checkpoint of step {} can not go on with these settings; put them back, or give another "
      "run.folder to start "
      "afresh:",
      manifest.step());
  for (const std::string& line : refused) message += "\n  " + line;
  fail_input(message);
}

}  // namespace sextant::trainer
