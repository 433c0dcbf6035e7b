#pragma once

#include <google/protobuf/message.h>

#include <string>

#include "trainer/config/complaint.h"

namespace sextant::trainer {

// A resolved configuration (see fill_defaults) with where each value comes from: a place in the file, the
// command line, or "default", with what it follows where that is no constant.

// As YAML, the origins as aligned comments. What is decided at the start of a run is a comment as a whole, so
// that the text loads back to an equal message.
std::string show_yaml(const google::protobuf::Message& message, const Origins& origins);

// One line a value: key, value, origin, each with its column.
std::string show_list(const google::protobuf::Message& message, const Origins& origins);

// {"config": {…}, "origins": {"run.steps": "x.yaml:2:10", …}}
std::string show_json(const google::protobuf::Message& message, const Origins& origins);

}  // namespace sextant::trainer
