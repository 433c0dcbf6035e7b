#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <cstdint>
#include <string>
#include <variant>

#include "trainer/config/scalar.h"
#include "trainer/config/yaml.h"

namespace sextant::trainer {

// A value of a field that is no message.
using Value =
    std::variant<bool, int64_t, uint64_t, double, std::string, const google::protobuf::EnumValueDescriptor*>;

// What is wrong with a value, and how to write it.
struct Refusal {
  std::string what;
};

// Reads a scalar for a field: its type, its range, its enum's names.
std::variant<Value, Refusal> read_value(const YamlNode& scalar,
                                        const google::protobuf::FieldDescriptor& field);

// Stores a value that read_value made for this field. `index` says which element of a repeated field; the
// field's size appends; -1 for a field that is not repeated.
void store_value(const Value& value, const google::protobuf::FieldDescriptor& field,
                 google::protobuf::Message& message, int index);

// What a field takes, for messages: "a whole number", "true or false", "one of cosine, linear".
std::string wanted_text(const google::protobuf::FieldDescriptor& field);

}  // namespace sextant::trainer
