#include "trainer/checkpoint/import.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <atomic>

#include "data/durable_file.h"
#include "data/tokenizer/tokenizer.h"
#include "parallel/base/error.h"
#include "trainer/checkpoint/checkpoint.h"
#include "trainer/checkpoint/dtype.h"
#include "trainer/checkpoint/fresh_folder.h"
#include "trainer/checkpoint/manifest.h"
#include "trainer/checkpoint/rank_file.h"
#include "trainer/config/load.h"

namespace sextant::trainer {
namespace {

HostBox box_of(const ForeignWeight& weight) {
  HostBox box;
  box.piece.set_name("weights/" + weight.name);
  int64_t bytes = static_cast<int64_t>(c10::elementSize(weight.type));
  for (int64_t extent : weight.shape) {
    box.piece.add_whole(extent);
    box.piece.add_offset(0);
    box.piece.add_shape(extent);
    bytes *= extent;
  }
  box.piece.set_dtype(dtype_name(weight.type));
  box.piece.set_bytes(bytes);
  box.make = weight.read;
  return box;
}

// A run's configuration that says what is known: the model, and the precision that its weights ask for.
Run config_of(const ForeignModel& model) {
  Run config;
  *config.mutable_model() = model.settings;
  bool bf16 = !model.weights.empty() && model.weights[0].type == at::kBFloat16;
  config.mutable_numerics()->set_compute(bf16 ? NumericsSettings::bf16 : NumericsSettings::fp32);
  set_constant_defaults(config);
  return config;
}

uint64_t tokenizer_fingerprint(const ForeignModel& model) {
  auto found = model.side_files.find("tokenizer.json");
  if (found == model.side_files.end()) return 0;
  try {
    return data::Tokenizer::from_json(found->second, model.origin).fingerprint();
  } catch (const Error&) {
    return 0;  // kept for export, though not read by us; a note told the user
  }
}

}  // namespace

void write_imported(const ForeignModel& model, const std::filesystem::path& folder,
                    const std::string& program) {
  make_folder(folder, [&](const std::filesystem::path& partial) {
    std::vector<HostBox> boxes;
    boxes.reserve(model.weights.size());
    for (const ForeignWeight& weight : model.weights) boxes.push_back(box_of(weight));
    std::atomic<bool> never = false;
    SaveReport report = write_rank_file(partial, 0, boxes, model.side_files, never);
    Manifest manifest;
    manifest.set_format(1);
    manifest.set_step(0);
    manifest.set_tokens(0);
    manifest.set_samples(0);
    manifest.set_tokenizer_fingerprint(tokenizer_fingerprint(model));
    *manifest.mutable_config() = config_of(model);
    manifest.set_world_size(1);
    manifest.set_layout("data=1 tensor=1 pipeline=1 context=1 expert=1 zero=0");
    manifest.set_checksum_block(kChecksumBlock);
    manifest.mutable_files()->Swap(report.mutable_files());
    manifest.mutable_pieces()->Swap(report.mutable_pieces());
    manifest.set_program(fmt::format("{}, imported from {}", program, model.origin));
    data::write_file(partial / kManifestName, manifest_bytes(manifest));
  });
}

void note_tokenizer(ForeignModel& model) {
  auto found = model.side_files.find("tokenizer.json");
  if (found == model.side_files.end()) {
    model.notes.push_back(
        "no tokenizer.json: the checkpoint can be trained and exported, but text needs one");
    return;
  }
  try {
    auto tokenizer = data::Tokenizer::from_json(found->second, "tokenizer.json");
    if (tokenizer.vocabulary() > model.settings.vocabulary()) {
      model.notes.push_back(fmt::format("the tokenizer has {} ids, but the model only {} rows of embeddings",
                                        tokenizer.vocabulary(), model.settings.vocabulary()));
    }
  } catch (const Error& error) {
    model.notes.push_back(fmt::format("the tokenizer is kept, but can not be used here: {}", error.what()));
  }
}

ForeignModel open_foreign_model(const std::filesystem::path& source) {
  std::error_code error;
  if (std::filesystem::is_directory(source, error)) return open_hugging_face(source);
  if (source.extension() == ".gguf") return open_gguf(source);
  if (source.extension() == ".bin") return open_llama2c(source);
  fail_input(fmt::format("{}: is no Hugging Face folder, and no .gguf file or .bin of llama2.c by its name",
                         source.string()));
}

}  // namespace sextant::trainer
