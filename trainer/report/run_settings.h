#pragma once

#include <google/protobuf/descriptor.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace sextant::trainer {

// Which message a YAML file is read into; rooms to the right bring theirs.
using KindOfFile = std::function<const google::protobuf::Descriptor&(const std::filesystem::path&)>;

// A value of a run's configuration beside what it would be if nobody had said anything.
struct RunSetting {
  std::string key, value;
  std::string by_default;  // a constant, or in words where it follows from something else; may be empty
  bool changed = false;    // not the constant default
};

// config.yaml of a run.
struct RunConfig {
  std::string stage;  // the message's own section: "ppo"; "pretrain" for one that has none
  std::vector<RunSetting> settings;
};

// Reads it. Throws Error(kInput) where it can not be read as what `kind` says.
RunConfig read_run_config(const std::filesystem::path& file, const KindOfFile& kind);

}  // namespace sextant::trainer
