#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "launch/commands.h"
#include "launch/yaml_command.h"
#include "rlhf/stage_run.h"
#include "trainer/config/load.h"
#include "trainer/config/reference.h"
#include "trainer/config/rules.h"
#include "trainer/config/show.h"
#include "trainer/evaluation/load_eval.h"

namespace sextant::launch {
namespace {

enum class Form { kYaml, kList, kJson };

struct ShowOptions : YamlSource {
  Form form = Form::kYaml;
};

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

void print(const google::protobuf::Message& message, const trainer::Origins& origins, Form form) {
  switch (form) {
    case Form::kYaml:
      return print(trainer::show_yaml(message, origins));
    case Form::kList:
      return print(trainer::show_list(message, origins));
    case Form::kJson:
      return print(trainer::show_json(message, origins));
  }
}

// Of a run, of a stage of alignment or of another file that we know, whichever it is.
void show(const ShowOptions& options) {
  const google::protobuf::Descriptor& kind = rlhf::kind_of_file(options.file);
  if (&kind == trainer::EvalRun::descriptor()) {
    trainer::Origins origins;
    trainer::EvalRun run = trainer::load_eval(options.file, options.overrides, &origins);
    trainer::set_constant_defaults(run);
    return print(run, origins, options.form);
  }
  auto stages = rlhf::stages();
  bool stage = std::find(stages.begin(), stages.end(), &kind) != stages.end();
  std::unique_ptr<google::protobuf::Message> message(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(&kind)->New());
  trainer::Origins origins;
  if (!stage && &kind != trainer::Run::descriptor()) {
    trainer::load_config(options.file, options.overrides, *message, &origins);
    trainer::set_constant_defaults(*message);
    return print(*message, origins, options.form);
  }
  rlhf::load_stage(options.file, options.overrides, *message, &origins);
  trainer::Run run = rlhf::base_of(*message);
  trainer::check(trainer::complaints(run, 0, stage ? trainer::RowsFrom::kStage : trainer::RowsFrom::kShards),
                 origins);
  trainer::fill_defaults(run, 0);
  rlhf::set_base(run, *message);
  trainer::set_constant_defaults(*message);
  print(*message, origins, options.form);
}

void add_show(CLI::App& config) {
  auto options = std::make_shared<ShowOptions>();
  CLI::App* command =
      config.add_subcommand("show", "Print a configuration as resolved, and where each value is from");
  add_yaml(*command, *options, "YAML file");
  auto* list = command->add_flag_callback(
      "--origins", [options] { options->form = Form::kList; }, "One line a value: key, value, origin");
  command
      ->add_flag_callback(
          "--json", [options] { options->form = Form::kJson; }, "JSON: the values and their origins")
      ->excludes(list);
  command->footer(
      "Example: sextant config show configs/pretrain/gpt2_124m.yaml optimizer.learning_rate=3e-4");
  command->callback([options] { show(*options); });
}

}  // namespace

void add_config(CLI::App& app) {
  CLI::App* config = app.add_subcommand("config", "Show a configuration, or the reference of all keys");
  config->require_subcommand(1);
  config->footer("Example: sextant config show configs/pretrain/gpt2_124m.yaml");
  add_show(*config);
  config->add_subcommand("reference", "Print the reference of all keys as Markdown (docs/configuration.md)")
      ->footer("Example: sextant config reference > docs/configuration.md")
      ->callback([] {
        print(
            trainer::reference_markdown(*trainer::Run::descriptor(), rlhf::documents(), rlhf::other_files()));
      });
  config->add_subcommand("schema", "Print the JSON schema from which editors complete keys")
      ->footer("Example: sextant config schema > configs/sextant.schema.json")
      ->callback([] {
        print(trainer::json_schema(*trainer::Run::descriptor(), rlhf::documents(), rlhf::other_files()));
      });
}

}  // namespace sextant::launch
