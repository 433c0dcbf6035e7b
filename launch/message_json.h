#pragma once

#include <google/protobuf/message.h>

#include <nlohmann/json.hpp>

namespace sextant::launch {

// A configuration message as JSON, its fields in their order: what is set, and the constant defaults of what
// is not. Enumerations by name, 64-bit integers as numbers.
nlohmann::ordered_json message_json(const google::protobuf::Message& message);

}  // namespace sextant::launch
