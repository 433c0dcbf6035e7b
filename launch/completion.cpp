#include "launch/completion.h"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>

#include <cstdio>
#include <set>
#include <string>
#include <vector>

#include "launch/commands.h"
#include "rlhf/stage_run.h"
#include "trainer/config/field.h"
#include "trainer/run.pb.h"

namespace sextant::launch {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

// What bash runs at each press of TAB. {0}: cases of known commands, {1}: words of each, {2}: keys, {3}:
// values of keys. bash itself cuts words at "=": a value being typed stands alone, with its key two words
// before it.
constexpr const char* kScript =
    R"(# Completes sextant in bash. Load it with: source <(sextant completion bash)
_sextant() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}
  local path=sextant word words= options= yaml= key=
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case "$path $word" in
{0}    esac
    [[ $word == *.yaml || $word == *.yml ]] && yaml=yes
  done
  COMPREPLY=()
  [[ $before == = ]] && key=${{COMP_WORDS[COMP_CWORD-2]}}
  [[ $current == = ]] && key=$before current=
  if [[ -n $key ]]; then
    case $key in
{3}    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    return
  fi
  case $path in
{1}  esac
  [[ $current == -* ]] && words=$options
  if [[ -n $yaml && $current != -* ]]; then
    words="{2}"
    compopt -o nospace 2>/dev/null
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o bashdefault -o default -F _sextant sextant
)";

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* command) { return !command->get_name().empty(); });
}

std::string command_words(const CLI::App& app) {
  std::string words;
  for (const CLI::App* command : commands_of(app)) words += command->get_name() + " ";
  return words;
}

std::string option_words(const CLI::App& app) {
  std::string words;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) words += "--" + name + " ";
  }
  return words;
}

void add_cases(const CLI::App& app, const std::string& path, std::string& known, std::string& words) {
  words += fmt::format("    \"{}\") words=\"{}\" options=\"{}\" ;;\n", path, command_words(app),
                       option_words(app));
  for (const CLI::App* command : commands_of(app)) {
    std::string longer = path + " " + command->get_name();
    known += fmt::format("      \"{}\") path=\"{}\" ;;\n", longer, longer);
    add_cases(*command, longer, known, words);
  }
}

std::string values_of(const FieldDescriptor& field) {
  if (field.type() == FieldDescriptor::TYPE_BOOL) return "true false";
  std::string values;
  if (field.type() == FieldDescriptor::TYPE_ENUM) {
    for (int i = 0; i < field.enum_type()->value_count(); ++i)
      values += trainer::name_of(*field.enum_type()->value(i)) + " ";
  }
  return values;
}

void add_keys(const Descriptor& message, const std::string& prefix, std::string& keys, std::string& values) {
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    std::string key = prefix + field.name();
    if (field.message_type() != nullptr && !field.is_repeated()) {
      add_keys(*field.message_type(), key + ".", keys, values);
      continue;
    }
    keys += key + "= ";
    if (std::string choices = values_of(field); !choices.empty()) {
      values += fmt::format("      {}) words=\"{}\" ;;\n", key, choices);
    }
  }
}

}  // namespace

std::string bash_completion(const CLI::App& app) {
  std::string known, words, keys, values;
  add_cases(app, "sextant", known, words);
  add_keys(*trainer::Run::descriptor(), "", keys, values);
  std::set<const Descriptor*> told;
  for (const Descriptor* stage : rlhf::documents()) {
    for (int i = 0; i < stage->field_count(); ++i) {
      const FieldDescriptor& section = *stage->field(i);
      bool shared = trainer::Run::descriptor()->FindFieldByName(section.name()) != nullptr;
      if (shared || !told.insert(section.message_type()).second) continue;
      add_keys(*section.message_type(), section.name() + ".", keys, values);
    }
  }
  return fmt::format(kScript, known, words, keys, values);
}

void add_completion(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("completion", "Prints a script that completes commands, options and keys");
  command->footer("Example: source <(sextant completion bash)");
  command->add_option("SHELL", "The shell; bash is the one that is known")
      ->required()
      ->check(CLI::IsMember({"bash"}));
  command->callback([&app] { std::fputs(bash_completion(app).c_str(), stdout); });
}

}  // namespace sextant::launch
