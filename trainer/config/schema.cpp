#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "trainer/config/field.h"
#include "trainer/config/reference.h"

namespace sextant::trainer {
namespace {

namespace pb = google::protobuf;
using nlohmann::ordered_json;
using pb::FieldDescriptor;

ordered_json message_schema(const pb::Descriptor& message);

// Whole bounds are written as whole numbers.
ordered_json bound(double value) {
  constexpr double kExact = 9007199254740992.0;
  if (value == static_cast<double>(static_cast<int64_t>(value)) && value < kExact)
    return static_cast<int64_t>(value);
  return value;
}

template <class Integer>
ordered_json whole_schema() {
  using Limits = std::numeric_limits<Integer>;
  return {{"type", "integer"}, {"minimum", Limits::min()}, {"maximum", Limits::max()}};
}

ordered_json choice_schema(const pb::EnumDescriptor& choices) {
  ordered_json names = ordered_json::array();
  for (int i = 0; i < choices.value_count(); ++i) names.push_back(name_of(*choices.value(i)));
  return {{"enum", std::move(names)}};
}

ordered_json type_schema(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return {{"type", "boolean"}};
    case FieldDescriptor::CPPTYPE_INT32:
      return whole_schema<int32_t>();
    case FieldDescriptor::CPPTYPE_INT64:
      return whole_schema<int64_t>();
    case FieldDescriptor::CPPTYPE_UINT32:
      return whole_schema<uint32_t>();
    case FieldDescriptor::CPPTYPE_UINT64:
      return whole_schema<uint64_t>();
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT:
      return {{"type", "number"}};
    case FieldDescriptor::CPPTYPE_ENUM:
      return choice_schema(*field.enum_type());
    case FieldDescriptor::CPPTYPE_STRING:
      return {{"type", "string"}};
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return message_schema(*field.message_type());
  }
  return true;
}

void add_range(ordered_json& schema, const FieldFacts& facts) {
  if (facts.minimum) schema["minimum"] = bound(*facts.minimum);
  if (facts.maximum) schema["maximum"] = bound(*facts.maximum);
  if (facts.above) schema["exclusiveMinimum"] = bound(*facts.above);
}

// What an editor shows beside a key.
std::string description(const FieldDescriptor& field, const FieldFacts& facts) {
  std::string text = facts.documentation;
  if (text.empty() && field.message_type() != nullptr) text = documentation_of(*field.message_type());
  if (!facts.unit.empty()) text += fmt::format(" Unit: {}.", facts.unit);
  if (!facts.default_is.empty()) text += fmt::format(" Default: {}.", facts.default_is);
  if (field.enum_type() == nullptr) return text;
  for (int i = 0; i < field.enum_type()->value_count(); ++i) {
    const pb::EnumValueDescriptor& value = *field.enum_type()->value(i);
    if (!documentation_of(value).empty())
      text += fmt::format("\n{}: {}", name_of(value), documentation_of(value));
  }
  return text;
}

ordered_json default_json(const FieldDescriptor& field) {
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) return name_of(*field.default_value_enum());
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) return field.default_value_string();
  return ordered_json::parse(*default_text(field));
}

// A list's entry: needed keys are required there, and a lone text may stand for it. In sections nothing is
// required, since the command line may give it.
ordered_json entry_schema(const FieldDescriptor& field) {
  ordered_json one = type_schema(field);
  const pb::Descriptor* message = field.message_type();
  if (message == nullptr) return one;
  ordered_json required = ordered_json::array();
  for (int i = 0; i < message->field_count(); ++i) {
    if (facts_of(*message->field(i)).needed) required.push_back(message->field(i)->name());
  }
  if (!required.empty()) one["required"] = std::move(required);
  const FieldDescriptor* lone = shorthand_of(*message);
  if (lone == nullptr) return one;
  return {{"anyOf", ordered_json::array({type_schema(*lone), std::move(one)})}};
}

ordered_json field_schema(const FieldDescriptor& field) {
  FieldFacts facts = facts_of(field);
  ordered_json schema;
  if (field.is_repeated()) {
    schema = {{"type", "array"}, {"items", entry_schema(field)}};
  } else {
    schema = type_schema(field);
    add_range(schema, facts);
  }
  std::string text = description(field, facts);
  if (!text.empty()) schema["description"] = text;
  if (field.has_default_value()) schema["default"] = default_json(field);
  return schema;
}

ordered_json message_schema(const pb::Descriptor& message) {
  ordered_json properties = ordered_json::object();
  for (int i = 0; i < message.field_count(); ++i)
    properties[message.field(i)->name()] = field_schema(*message.field(i));
  return {{"type", "object"}, {"additionalProperties", false}, {"properties", std::move(properties)}};
}

}  // namespace

std::string json_schema(const pb::Descriptor& root, const Stages& stages, const Stages& others) {
  ordered_json schema = {{"$schema", "http://json-schema.org/draft-07/schema#"},
                         {"title", "sextant"},
                         {"description", documentation_of(root)}};
  schema.update(message_schema(root));
  Stages all = stages;
  all.insert(all.end(), others.begin(), others.end());
  for (const pb::Descriptor* stage : all) {
    for (int i = 0; i < stage->field_count(); ++i) {
      const FieldDescriptor& field = *stage->field(i);
      if (!schema["properties"].contains(field.name()))
        schema["properties"][field.name()] = field_schema(field);
    }
  }
  return schema.dump(2) + "\n";
}

}  // namespace sextant::trainer
