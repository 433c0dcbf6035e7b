#pragma once

#include <google/protobuf/descriptor.h>

#include <string>

namespace sextant::trainer {

// docs/configuration.md: every key of a configuration message with type, default, range and meaning, made
// from the descriptors alone, so that the same messages give the same page.
std::string reference_markdown(const google::protobuf::Descriptor& root);

// configs/sextant.schema.json: JSON Schema (draft 7) of the same, from which editors complete and check YAML.
std::string json_schema(const google::protobuf::Descriptor& root);

}  // namespace sextant::trainer
