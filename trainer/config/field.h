#pragma once

#include <google/protobuf/descriptor.h>

#include <optional>
#include <string>
#include <vector>

namespace sextant::trainer {

// What a configuration message says about one of its fields, for checks, messages, pages and schemas.
struct FieldFacts {
  std::string documentation;
  std::string unit;
  std::optional<double> minimum;  // inclusive
  std::optional<double> maximum;  // inclusive
  std::optional<double> above;    // exclusive
  bool needed = false;
  bool path = false;
  std::string not_needed;  // of a section: the needed field that may be left out there
  std::string default_is;  // how a default that is no constant comes about
};

FieldFacts facts_of(const google::protobuf::FieldDescriptor& field);
std::string documentation_of(const google::protobuf::Descriptor& message);
std::string documentation_of(const google::protobuf::EnumValueDescriptor& value);

// What YAML calls a value of an enum, and the value of that name or null.
const std::string& name_of(const google::protobuf::EnumValueDescriptor& value);
const google::protobuf::EnumValueDescriptor* value_named(const google::protobuf::EnumDescriptor& choices,
                                                         const std::string& name);

// The field that a dotted key ends at, or null; indexes of lists are passed over: "data.train.0.prefix".
const google::protobuf::FieldDescriptor* field_at(const google::protobuf::Descriptor& root,
                                                  const std::string& key);

// The field that a lone scalar sets, or null.
const google::protobuf::FieldDescriptor* shorthand_of(const google::protobuf::Descriptor& message);

// True for a field that holds one message: a section of the configuration.
bool is_section(const google::protobuf::FieldDescriptor& field);

// The constant default as YAML text; nothing where there is none.
std::optional<std::string> default_text(const google::protobuf::FieldDescriptor& field);

// "1 to 8", "at least 1", "above 0"; empty where any value of the type does.
std::string range_text(const FieldFacts& facts);

// Every key that has a value of its own, dotted, without list indexes: "data.train.prefix".
std::vector<std::string> all_keys(const google::protobuf::Descriptor& message);

// The shortest decimal text that reads back as the same number.
std::string number_text(double value);

}  // namespace sextant::trainer
