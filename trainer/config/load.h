#pragma once

#include <google/protobuf/message.h>

#include <filesystem>
#include <string>
#include <vector>

#include "trainer/config/complaint.h"
#include "trainer/run.pb.h"

namespace sextant::trainer {

// Reads a YAML file into `message`, then "key.path=value" texts over it. Throws one Error(kInput) that names
// every fault with its place: "FILE:LINE:COLUMN: key: what is wrong; how to fix it". Files over 256 KiB are
// refused. `origins` (may be null) receives where each value was written.
void load_config(const std::filesystem::path& file, const std::vector<std::string>& overrides,
                 google::protobuf::Message& message, Origins* origins);

// The same from the file's text; `name` stands for the file in messages.
void load_config_text(const std::string& text, const std::string& name,
                      const std::vector<std::string>& overrides, google::protobuf::Message& message,
                      Origins* origins);

// A training run. run.folder becomes runs/NAME for NAME.yaml unless it is given. Rules across fields are in
// trainer/config/rules.h.
Run load_run(const std::filesystem::path& file, const std::vector<std::string>& overrides, Origins* origins);

// Sets every unset field that has a constant default to it, so that the message says all of it.
void set_constant_defaults(google::protobuf::Message& message);

}  // namespace sextant::trainer
