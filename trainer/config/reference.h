#pragma once

#include <google/protobuf/descriptor.h>

#include <string>
#include <vector>

namespace sextant::trainer {

// Messages whose first sections are those of another, or that are files by themselves: see rlhf/stage_run.h.
using Stages = std::vector<const google::protobuf::Descriptor*>;

// docs/configuration.md: every key of a configuration message with type, default, range and meaning, made
// from the descriptors alone, so that the same messages give the same page. Of stages, the sections that no
// message before has; `others` share nothing.
std::string reference_markdown(const google::protobuf::Descriptor& root, const Stages& stages = {},
                               const Stages& others = {});

// configs/sextant.schema.json: JSON Schema (draft 7) of the same, from which editors complete and check YAML.
std::string json_schema(const google::protobuf::Descriptor& root, const Stages& stages = {},
                        const Stages& others = {});

}  // namespace sextant::trainer
