#include "launch/checkpoint_exchange.h"

#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <string>

#include "launch/version.h"
#include "trainer/checkpoint/checkpoint.h"
#include "trainer/checkpoint/export.h"
#include "trainer/checkpoint/import.h"
#include "trainer/metrics/progress.h"
#include "trainer/model/model_rules.h"

namespace sextant::launch {
namespace {

void import(const std::string& source, const std::string& output) {
  trainer::ForeignModel model = trainer::open_foreign_model(source);
  trainer::write_imported(model, output, program_text());
  int64_t parameters = 0;
  for (const trainer::ForeignWeight& weight : model.weights) {
    int64_t elements = 1;
    for (int64_t extent : weight.shape) elements *= extent;
    parameters += elements;
  }
  const trainer::ModelSettings& settings = model.settings;
  fmt::print(
      "{}: {} of {} parameters, {} layers, width {}, {} heads of {} ({} for keys), context {}, {} ids\n",
      output, trainer::ModelSettings::Kind_Name(settings.kind()),
      trainer::count_text(static_cast<double>(parameters)), settings.layers(), settings.width(),
      settings.heads(), trainer::head_width(settings), settings.kv_heads(), settings.context(),
      settings.vocabulary());
  for (const std::string& note : model.notes) fmt::print(stderr, "note: {}\n", note);
}

struct ExportOptions {
  std::string checkpoint, output, type = "fp32";
  trainer::ExportSettings settings;
};

}  // namespace

void add_import(CLI::App& checkpoint) {
  struct Paths {
    std::string source, output;
  };
  auto paths = std::make_shared<Paths>();
  CLI::App* command = checkpoint.add_subcommand(
      "import", "Make a checkpoint of a model from elsewhere: Hugging Face, GGUF or llama2.c");
  command->add_option("source", paths->source, "A Hugging Face folder, a .gguf file or a .bin of llama2.c")
      ->required()
      ->type_name("SOURCE");
  command->add_option("--output", paths->output, "The checkpoint's folder; must not exist yet")
      ->required()
      ->type_name("DIR");
  command->footer(
      "DIR then serves as --checkpoint, as data.tokenizer (DIR/tokenizer.json) and as run.start_from.\n"
      "Examples:\n"
      "  sextant checkpoint import Llama-3.2-1B --output models/llama\n"
      "  sextant checkpoint import SmolLM2-135M-Instruct.Q4_1.gguf --output models/smollm2");
  command->callback([paths] { import(paths->source, paths->output); });
}

void add_export(CLI::App& checkpoint) {
  auto options = std::make_shared<ExportOptions>();
  CLI::App* command =
      checkpoint.add_subcommand("export", "Write a checkpoint's model as a Hugging Face folder");
  command->add_option("folder", options->checkpoint, "A step's folder, or a run's folder for its newest")
      ->required()
      ->type_name("DIR");
  command->add_option("--output", options->output, "The folder to write; must not exist yet")
      ->required()
      ->type_name("FOLDER");
  command->add_option("--type", options->type, "Numbers of the weights: fp32, bf16 or fp16")
      ->check(CLI::IsMember({"fp32", "bf16", "fp16"}))
      ->capture_default_str()
      ->type_name("TYPE");
  command->add_option("--shard-bytes", options->settings.shard_bytes, "Bytes of tensors in one file, at most")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->footer(
      "Loads with transformers' AutoModelForCausalLM and AutoTokenizer.\n"
      "Example: sextant checkpoint export runs/gpt_124m --output gpt_124m_hf --type bf16");
  command->callback([options] {
    options->settings.type = options->type == "bf16"   ? at::kBFloat16
                             : options->type == "fp16" ? at::kHalf
                                                       : at::kFloat;
    trainer::export_hugging_face(trainer::CheckpointReader(options->checkpoint), options->settings,
                                 options->output);
    fmt::print("{}: written\n", options->output);
  });
}

}  // namespace sextant::launch
