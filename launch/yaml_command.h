#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

namespace sextant::launch {

// What commands read their configuration from: a YAML file, and `key.path=value` over what it says.
struct YamlSource {
  std::string file;
  std::vector<std::string> overrides;
};

// Gives a command its FILE and its overrides; they are written into `source`, which must outlive parsing.
// `what` tells of the file. Returns the option of the file, which is required.
CLI::Option* add_yaml(CLI::App& command, YamlSource& source, const std::string& what);

// A subcommand that takes nothing else. `work` gives the exit code.
CLI::App* add_yaml_command(CLI::App& app, const std::string& name, const std::string& help,
                           const std::string& what, const std::string& footer,
                           std::function<int(const YamlSource&)> work);

}  // namespace sextant::launch
