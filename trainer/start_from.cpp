#include "trainer/start_from.h"

#include <fmt/format.h>
#include <google/protobuf/text_format.h>

#include <filesystem>

#include "parallel/base/error.h"
#include "trainer/checkpoint/manifest.h"
#include "trainer/checkpoint/step_folder.h"
#include "trainer/model/initialise.h"
#include "trainer/model/model_rules.h"
#include "trainer/state.h"

namespace sextant::trainer {
namespace {

namespace fs = std::filesystem;
using google::protobuf::FieldDescriptor;

// The step folder whose model the run must have.
fs::path source_of(const Run& config) {
  auto own = newest_checkpoint(fs::path(config.run().folder()) / "checkpoints");
  return own ? *own : resolve_checkpoint(config.run().start_from());
}

std::string text_of(const ModelSettings& model, const FieldDescriptor* field) {
  std::string text;
  google::protobuf::TextFormat::Printer printer;
  printer.SetSingleLineMode(true);
  printer.PrintFieldValueToString(model, field, -1, &text);
  return text;
}

bool may_differ(const FieldDescriptor* field, const ModelSettings& model) {
  if (field->name() == "context") return model.kind() == ModelSettings::llama;
  // A model of rewards starts from one of text. The other way round there is no output layer to start from.
  if (field->name() == "head") return model.head() != ModelSettings::scalar;
  return field->name() == "initial_std";
}

}  // namespace

std::vector<Complaint> adopt_model(Run& config) {
  if (!config.run().has_start_from()) return {};
  fs::path folder = source_of(config);
  ModelSettings stored = read_manifest(folder / kManifestName).config().model();
  ModelSettings wanted = stored;
  wanted.MergeFrom(config.model());
  copy_expert_training(wanted, stored);
  std::vector<Complaint> found;
  const auto* descriptor = ModelSettings::descriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor* field = descriptor->field(i);
    std::string before = text_of(stored, field), given = text_of(wanted, field);
    if (before == given || may_differ(field, stored)) continue;
    found.push_back(
        {fmt::format("model.{}", field->name()),
         fmt::format("{} differs from {} of the model in {}, which the run starts from; remove it", given,
                     before, folder.string())});
  }
  *config.mutable_model() = std::move(wanted);
  return found;
}

void start_weights(const CheckpointReader& checkpoint, uint64_t run_seed, const TrainStep& step) {
  const ModelSettings& stored = checkpoint.manifest().config().model();
  bool new_head =
      step.model().settings().head() == ModelSettings::scalar && stored.head() != ModelSettings::scalar;
  if (!new_head) return restore_weights(checkpoint, step);
  std::vector<OwnedPiece> trunk, head;
  for (const OwnedPiece& piece : step.pieces()) {
    (piece.parameter->name.starts_with("value_head.") ? head : trunk).push_back(piece);
  }
  initialise(head, run_seed);
  restore_pieces(checkpoint, trunk, step.model().parameters());
}

void check_start(const CheckpointReader& checkpoint, uint64_t tokenizer_fingerprint) {
  uint64_t before = checkpoint.manifest().tokenizer_fingerprint();
  if (before == 0 || before == tokenizer_fingerprint) return;
  fail_input(
      fmt::format("data.tokenizer gives other ids than the tokenizer of {}, which the run starts from; set "
                  "data.tokenizer={}",
                  checkpoint.folder().string(), (checkpoint.folder() / "tokenizer.json").string()));
}

}  // namespace sextant::trainer
