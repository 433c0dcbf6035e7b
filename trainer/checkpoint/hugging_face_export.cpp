#include <ATen/ATen.h>
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "data/durable_file.h"
#include "data/tokenizer/tokenizer.h"
#include "parallel/base/error.h"
#include "trainer/checkpoint/export.h"
#include "trainer/checkpoint/fresh_folder.h"
#include "trainer/checkpoint/hugging_face_config.h"
#include "trainer/checkpoint/kept_files.h"
#include "trainer/checkpoint/safetensors.h"
#include "trainer/model/model_rules.h"
#include "trainer/model/mup.h"

namespace sextant::trainer {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// A tensor to write and where it comes from.
struct Outgoing {
  Correspondence place;
  std::vector<int64_t> shape;
  int64_t bytes = 0;
};

std::vector<Outgoing> outgoing_tensors(const std::vector<Correspondence>& places,
                                       const ModelSettings& settings, at::ScalarType type) {
  auto parameters = parameter_shapes(settings);
  std::map<std::string, std::vector<int64_t>> ours(parameters.begin(), parameters.end());
  std::vector<Outgoing> tensors;
  for (const Correspondence& place : places) {
    std::vector<int64_t> shape = ours.at(place.names[0]);
    if (place.layer_of_stack >= 0) shape.erase(shape.begin());
    for (size_t i = 1; i < place.names.size(); ++i) shape[0] += ours.at(place.names[i])[0];
    if (place.lying == Lying::kTransposed && shape.size() == 2) std::swap(shape[0], shape[1]);
    int64_t bytes = static_cast<int64_t>(c10::elementSize(type));
    for (int64_t extent : shape) bytes *= extent;
    tensors.push_back({place, shape, bytes});
  }
  return tensors;
}

at::Tensor gathered(const CheckpointReader& checkpoint, const Outgoing& outgoing, at::ScalarType type) {
  std::vector<at::Tensor> parts;
  for (const std::string& name : outgoing.place.names) {
    std::string key = "weights/" + name;
    int64_t layer = outgoing.place.layer_of_stack;
    at::Tensor part = layer < 0 ? checkpoint.read_whole(key) : checkpoint.read_layer(key, layer);
    double multiplier = folded_multiplier(checkpoint.manifest().config().model(), name);
    parts.push_back((multiplier == 1.0 ? part : part * multiplier).to(type));
  }
  at::Tensor whole = parts.size() == 1 ? parts[0] : at::cat(parts);
  if (outgoing.place.lying == Lying::kTransposed && whole.dim() == 2) whole = whole.t();
  return whole.contiguous();
}

// In order, each file as full as the limit allows; a tensor above the limit stands alone.
std::vector<std::vector<Outgoing>> cut_into_shards(std::vector<Outgoing> tensors, int64_t limit) {
  std::vector<std::vector<Outgoing>> shards;
  int64_t held = 0;
  for (Outgoing& tensor : tensors) {
    if (shards.empty() || held + tensor.bytes > limit) {
      shards.emplace_back();
      held = 0;
    }
    held += tensor.bytes;
    shards.back().push_back(std::move(tensor));
  }
  return shards;
}

void write_shard(const CheckpointReader& checkpoint, const std::vector<Outgoing>& tensors,
                 at::ScalarType type, const fs::path& path) {
  std::vector<SafetensorsEntry> entries;
  std::map<std::string, const Outgoing*> by_key;
  for (const Outgoing& tensor : tensors) {
    entries.push_back({tensor.place.key, type, tensor.shape});
    by_key[tensor.place.key] = &tensor;
  }
  data::DurableFile file(path);
  file.write(lay_out_safetensors(entries, {{"format", "pt"}}));
  for (const SafetensorsEntry& entry : entries) {
    at::Tensor tensor = gathered(checkpoint, *by_key.at(entry.key), type);
    file.write(tensor.const_data_ptr(), tensor.nbytes());
  }
  file.publish();
}

void write_weights(const CheckpointReader& checkpoint, const std::vector<std::vector<Outgoing>>& shards,
                   at::ScalarType type, const fs::path& folder) {
  if (shards.size() == 1) return write_shard(checkpoint, shards[0], type, folder / "model.safetensors");
  Json index{{"metadata", {{"total_size", 0}}}, {"weight_map", Json::object()}};
  int64_t total = 0;
  for (size_t i = 0; i < shards.size(); ++i) {
    std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
    write_shard(checkpoint, shards[i], type, folder / name);
    for (const Outgoing& tensor : shards[i]) {
      index["weight_map"][tensor.place.key] = name;
      total += tensor.bytes;
    }
  }
  index["metadata"]["total_size"] = total;
  data::write_file(folder / "model.safetensors.index.json", index.dump(2) + "\n");
}

std::string type_text(at::ScalarType type) {
  return type == at::kBFloat16 ? "bfloat16" : type == at::kHalf ? "float16" : "float32";
}

// The architecture that the model came from, if it still says what the settings say.
std::optional<HfArchitecture> kept_architecture(const std::map<std::string, std::string>& kept,
                                                const ModelSettings& settings) {
  auto config = kept.find("config.json");
  if (config == kept.end()) return std::nullopt;
  HfConfig read = parse_hf_config(config->second, "config.json");
  // Neither decides what the weights compute.
  read.settings.set_context(settings.context());
  read.settings.set_initial_std(settings.initial_std());
  copy_expert_training(settings, read.settings);
  if (read.settings.SerializeAsString() != settings.SerializeAsString()) return std::nullopt;
  return read.architecture;
}

// What a tokenizer of our own training is called in transformers.
std::string tokenizer_config(const std::optional<std::string>& end, const ModelSettings& settings) {
  Json config{{"tokenizer_class", "PreTrainedTokenizerFast"}, {"model_max_length", settings.context()}};
  if (end) config["eos_token"] = *end;
  config["clean_up_tokenization_spaces"] = false;
  return config.dump(2) + "\n";
}

// Config and tokenizer files by name, kept ones as they were.
std::map<std::string, std::string> small_files(const CheckpointReader& checkpoint,
                                               const std::map<std::string, std::string>& kept,
                                               const std::optional<HfArchitecture>& before,
                                               HfArchitecture architecture, at::ScalarType type) {
  std::map<std::string, std::string> files = kept;
  const ModelSettings& settings = checkpoint.manifest().config().model();
  HfExtras extras{type_text(type)};
  auto json = kept.find("tokenizer.json");
  if (json != kept.end() && !before) {
    auto tokenizer = data::Tokenizer::from_json(json->second, "tokenizer.json");
    std::optional<std::string> end;
    if (auto id = tokenizer.end_of_text()) {
      extras.begin_id = extras.end_id = *id;
      end = std::string(tokenizer.token_bytes(*id));
    }
    if (!kept.contains("tokenizer_config.json"))
      files["tokenizer_config.json"] = tokenizer_config(end, settings);
  }
  files["config.json"] = before ? refreshed_hf_config(kept.at("config.json"), settings, extras.dtype)
                                : write_hf_config(settings, architecture, extras);
  return files;
}

}  // namespace

void export_hugging_face(const CheckpointReader& checkpoint, const ExportSettings& settings,
                         const fs::path& folder) {
  const ModelSettings& model = checkpoint.manifest().config().model();
  std::map<std::string, std::string> kept = kept_files(checkpoint);
  std::optional<HfArchitecture> before = kept_architecture(kept, model);
  HfArchitecture architecture = before ? *before : architecture_for(model);
  auto tensors = outgoing_tensors(hf_correspondences(architecture, model), model, settings.type);
  auto shards = cut_into_shards(std::move(tensors), settings.shard_bytes);
  auto files = small_files(checkpoint, kept, before, architecture, settings.type);
  make_folder(folder, [&](const fs::path& partial) {
    write_weights(checkpoint, shards, settings.type, partial);
    for (const auto& [name, bytes] : files) data::write_file(partial / name, bytes);
  });
}

}  // namespace sextant::trainer
