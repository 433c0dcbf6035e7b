#include "launch/yaml_command.h"

#include <memory>
#include <utility>

namespace sextant::launch {

CLI::Option* add_yaml(CLI::App& command, YamlSource& source, const std::string& what) {
  CLI::Option* file = command.add_option("file", source.file, what)->required();
  command.add_option("overrides", source.overrides, "key.path=value, over what the file says");
  return file;
}

CLI::App* add_yaml_command(CLI::App& app, const std::string& name, const std::string& help,
                           const std::string& what, const std::string& footer,
                           std::function<int(const YamlSource&)> work) {
  auto source = std::make_shared<YamlSource>();
  CLI::App* command = app.add_subcommand(name, help);
  add_yaml(*command, *source, what);
  command->footer(footer);
  command->callback([source, work = std::move(work)] {
    if (int code = work(*source); code != 0) throw CLI::RuntimeError(code);
  });
  return command;
}

}  // namespace sextant::launch
