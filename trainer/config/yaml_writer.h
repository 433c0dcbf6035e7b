#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <vector>

namespace sextant::trainer {

// Text as a YAML scalar that parses back to itself: plain where every reader takes it for text, else in
// double quotes.
std::string yaml_scalar(const std::string& text);

// The YAML text of one value of a field that is no message; `index` picks from a repeated field (else -1).
std::string yaml_value(const google::protobuf::Message& message,
                       const google::protobuf::FieldDescriptor& field, int index = -1);

// A line of YAML and the key whose value it holds; headings of sections and lists hold none.
struct YamlLine {
  std::string text;
  std::string key;
  std::string value;  // as in `text`; empty where the field is unset
};

enum class UnsetFields { kLeftOut, kAsComment };

// A message in the order of its fields.
std::vector<YamlLine> yaml_lines(const google::protobuf::Message& message, UnsetFields unset);

// Every field that is set, as YAML that loads back to an equal message.
std::string to_yaml(const google::protobuf::Message& message);

}  // namespace sextant::trainer
