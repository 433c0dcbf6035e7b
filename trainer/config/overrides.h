#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <vector>

#include "trainer/config/complaint.h"

namespace sextant::trainer {

// Applies "key.path=value" texts of the command line, in order, over what `message` already holds. A value is
// YAML on one line ("4", "[a, {prefix: b, weight: 2}]"); where the key takes text, it is that text as it
// stands unless it is quoted. Elements of lists are named by index: data.train.0.weight=2. A key given twice
// is complained of.
void apply_overrides(const std::vector<std::string>& overrides, google::protobuf::Message& message,
                     Origins& origins, std::vector<Complaint>& complaints);

}  // namespace sextant::trainer
