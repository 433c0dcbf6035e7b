#include "trainer/config/field.h"

#include <fmt/format.h>

#include <algorithm>

#include "parallel/base/error.h"
#include "parallel/base/options.pb.h"
#include "trainer/config/complaint.h"
#include "trainer/config/yaml_writer.h"

namespace sextant::trainer {
namespace {

namespace pb = google::protobuf;

// Messages of a configuration nest three deep; one that held itself would have endlessly many keys.
constexpr size_t kDeepestKey = 8;

void collect_keys(const pb::Descriptor& message, const std::string& prefix, size_t depth,
                  std::vector<std::string>& keys) {
  if (depth > kDeepestKey) return;
  for (int i = 0; i < message.field_count(); ++i) {
    const pb::FieldDescriptor& field = *message.field(i);
    std::string key = join_key(prefix, field.name());
    if (!is_section(field)) keys.push_back(key);
    if (field.message_type() != nullptr) collect_keys(*field.message_type(), key, depth + 1, keys);
  }
}

}  // namespace

FieldFacts facts_of(const pb::FieldDescriptor& field) {
  const pb::FieldOptions& options = field.options();
  FieldFacts facts;
  facts.documentation = options.GetExtension(documentation);
  facts.unit = options.GetExtension(unit);
  if (options.HasExtension(minimum)) facts.minimum = options.GetExtension(minimum);
  if (options.HasExtension(maximum)) facts.maximum = options.GetExtension(maximum);
  if (options.HasExtension(above)) facts.above = options.GetExtension(above);
  facts.needed = options.GetExtension(needed);
  facts.path = options.GetExtension(path);
  facts.not_needed = options.GetExtension(not_needed);
  facts.default_is = options.GetExtension(default_is);
  return facts;
}

std::string documentation_of(const pb::Descriptor& message) {
  return message.options().GetExtension(message_documentation);
}

std::string documentation_of(const pb::EnumValueDescriptor& value) {
  return value.options().GetExtension(value_documentation);
}

const std::string& name_of(const pb::EnumValueDescriptor& value) {
  return value.options().HasExtension(yaml_name) ? value.options().GetExtension(yaml_name) : value.name();
}

const pb::EnumValueDescriptor* value_named(const pb::EnumDescriptor& choices, const std::string& name) {
  for (int i = 0; i < choices.value_count(); ++i) {
    if (name_of(*choices.value(i)) == name) return choices.value(i);
  }
  return nullptr;
}

const pb::FieldDescriptor* shorthand_of(const pb::Descriptor& message) {
  if (!message.options().HasExtension(shorthand)) return nullptr;
  const pb::FieldDescriptor* field = message.FindFieldByName(message.options().GetExtension(shorthand));
  expect(field != nullptr, "a message's shorthand names one of its fields");
  return field;
}

bool is_section(const pb::FieldDescriptor& field) {
  return !field.is_repeated() && field.cpp_type() == pb::FieldDescriptor::CPPTYPE_MESSAGE;
}

const pb::FieldDescriptor* field_at(const pb::Descriptor& root, const std::string& key) {
  const pb::Descriptor* message = &root;
  const pb::FieldDescriptor* field = nullptr;
  for (size_t start = 0; start <= key.size() && message != nullptr;) {
    size_t end = std::min(key.find('.', start), key.size());
    std::string part = key.substr(start, end - start);
    start = end + 1;
    bool is_index = !part.empty() && part[0] >= '0' && part[0] <= '9';
    if (is_index) continue;
    field = message->FindFieldByName(part);
    if (field == nullptr) return nullptr;
    message = field->message_type();
  }
  return field;
}

std::optional<std::string> default_text(const pb::FieldDescriptor& field) {
  if (!field.has_default_value()) return std::nullopt;
  switch (field.cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_INT32:
      return fmt::format("{}", field.default_value_int32());
    case pb::FieldDescriptor::CPPTYPE_INT64:
      return fmt::format("{}", field.default_value_int64());
    case pb::FieldDescriptor::CPPTYPE_UINT32:
      return fmt::format("{}", field.default_value_uint32());
    case pb::FieldDescriptor::CPPTYPE_UINT64:
      return fmt::format("{}", field.default_value_uint64());
    case pb::FieldDescriptor::CPPTYPE_DOUBLE:
      return number_text(field.default_value_double());
    case pb::FieldDescriptor::CPPTYPE_FLOAT:
      return fmt::format("{}", field.default_value_float());
    case pb::FieldDescriptor::CPPTYPE_BOOL:
      return field.default_value_bool() ? "true" : "false";
    case pb::FieldDescriptor::CPPTYPE_ENUM:
      return name_of(*field.default_value_enum());
    case pb::FieldDescriptor::CPPTYPE_STRING:
      return yaml_scalar(field.default_value_string());
    case pb::FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  return std::nullopt;
}

std::string range_text(const FieldFacts& facts) {
  if (facts.above && facts.maximum) {
    return fmt::format("above {}, at most {}", number_text(*facts.above), number_text(*facts.maximum));
  }
  if (facts.above) return fmt::format("above {}", number_text(*facts.above));
  if (facts.minimum && facts.maximum) {
    return fmt::format("{} to {}", number_text(*facts.minimum), number_text(*facts.maximum));
  }
  if (facts.minimum) return fmt::format("at least {}", number_text(*facts.minimum));
  if (facts.maximum) return fmt::format("at most {}", number_text(*facts.maximum));
  return "";
}

std::vector<std::string> all_keys(const pb::Descriptor& message) {
  std::vector<std::string> keys;
  collect_keys(message, "", 0, keys);
  return keys;
}

std::string number_text(double value) {
  std::string text = fmt::format("{}", value);
  // fmt pads exponents to two digits: 1e-05.
  size_t padding = text.find("e-0");
  if (padding != std::string::npos) text.erase(padding + 2, 1);
  return text;
}

}  // namespace sextant::trainer
