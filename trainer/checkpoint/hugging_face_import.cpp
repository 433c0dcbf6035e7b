#include <ATen/ATen.h>
#include <fmt/format.h>

#include <array>
#include <cstring>
#include <memory>

#include "data/durable_file.h"
#include "parallel/base/error.h"
#include "trainer/checkpoint/dtype.h"
#include "trainer/checkpoint/hugging_face_config.h"
#include "trainer/checkpoint/import.h"
#include "trainer/checkpoint/kept_files.h"
#include "trainer/checkpoint/safetensors.h"
#include "trainer/checkpoint/safetensors_index.h"
#include "trainer/model/model_rules.h"

namespace sextant::trainer {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kLongestIndex = uint64_t{256} << 20;

// The files that hold the weights.
std::vector<fs::path> weight_files(const fs::path& folder) {
  std::error_code error;
  if (fs::exists(folder / "model.safetensors", error)) return {folder / "model.safetensors"};
  fs::path index = folder / "model.safetensors.index.json";
  if (!fs::exists(index, error)) {
    bool pickled = fs::exists(folder / "pytorch_model.bin", error) ||
                   fs::exists(folder / "pytorch_model.bin.index.json", error);
    fail_input(fmt::format("{}: holds neither model.safetensors nor model.safetensors.index.json{}",
                           folder.string(),
                           pickled ? "; pytorch_model.bin is a pickle, which may run code, and is not read: "
                                     "save the model with safetensors"
                                   : ""));
  }
  std::vector<fs::path> files;
  for (const std::string& name :
       parse_safetensors_index(data::read_file(index, kLongestIndex), index.string())) {
    files.push_back(folder / name);
  }
  return files;
}

// Buffers that old versions stored beside the weights, and the output layer of a model that ties it.
bool is_known_extra(const std::string& key, const ModelSettings& settings) {
  if (key == "lm_head.weight") return settings.tied_embeddings();
  for (const char* ending : {".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq"}) {
    if (key.ends_with(ending)) return true;
  }
  return false;
}

at::Tensor read_entry(const data::MappedFile& file, const SafetensorsEntry& entry) {
  at::Tensor tensor = at::empty(entry.shape, at::TensorOptions(entry.type));
  // Copied byte by byte: nothing aligns a tensor in a file of others.
  if (entry.bytes > 0) std::memcpy(tensor.data_ptr(), file.bytes().data() + entry.begin, entry.bytes);
  return entry.type == at::kDouble ? tensor.to(at::kFloat) : tensor;
}

void add_tensors(const fs::path& path, const ModelSettings& settings,
                 std::map<std::string, ForeignTensor>& tensors) {
  auto file = std::make_shared<data::MappedFile>(path);
  SafetensorsHeader header = parse_safetensors(file->bytes(), path.string());
  for (SafetensorsEntry& entry : header.entries) {
    if (is_known_extra(entry.key, settings)) continue;
    if (!at::isFloatingType(entry.type) || c10::elementSize(entry.type) < 2) {
      fail_input(fmt::format("{}: tensor '{}' is of type {}; F32, F16, BF16 and F64 are read", path.string(),
                             entry.key, dtype_name(entry.type)));
    }
    at::ScalarType type = entry.type == at::kDouble ? at::kFloat : entry.type;
    std::string key = entry.key;
    ForeignTensor tensor{entry.shape, type, [file, entry] { return read_entry(*file, entry); }};
    if (!tensors.emplace(key, std::move(tensor)).second) {
      fail_input(fmt::format("{}: tensor '{}' stands in another file of the model too", path.string(), key));
    }
  }
}

// The model without its head is stored without the prefix that it has inside it.
void add_prefix(std::string_view prefix, std::map<std::string, ForeignTensor>& tensors) {
  for (const auto& [key, tensor] : tensors) {
    if (key.starts_with(prefix)) return;
  }
  std::map<std::string, ForeignTensor> longer;
  for (auto& [key, tensor] : tensors) {
    longer.emplace(key == "lm_head.weight" ? key : fmt::format("{}{}", prefix, key), std::move(tensor));
  }
  tensors = std::move(longer);
}

}  // namespace

ForeignModel open_hugging_face(const fs::path& folder) {
  ForeignModel model;
  model.origin = folder.string();
  fs::path config = folder / "config.json";
  HfConfig read = parse_hf_config(data::read_file(config, uint64_t{1} << 20), config.string());
  model.settings = read.settings;
  std::map<std::string, ForeignTensor> tensors;
  for (const fs::path& file : weight_files(folder)) add_tensors(file, model.settings, tensors);
  int64_t experts = expert_layers(model.settings) * model.settings.experts().count();
  if (static_cast<size_t>(model.settings.layers() + experts) > tensors.size()) {
    fail_input(fmt::format("{}: {} layers{}, but the folder's files hold {} tensors; is a file missing?",
                           config.string(), model.settings.layers(),
                           experts > 0 ? fmt::format(" with {} experts in all", experts) : "",
                           tensors.size()));
  }
  add_prefix(read.architecture == HfArchitecture::kGpt2 ? "transformer." : "model.", tensors);
  model.weights = match_weights(
      model.settings, hf_correspondences(read.architecture, model.settings), tensors,
      [](const std::string&) { return false; }, folder.string());
  for (const std::string& name : kept_file_names()) {
    std::error_code error;
    if (fs::is_regular_file(folder / name, error)) {
      model.side_files[name] = data::read_file(folder / name, uint64_t{1} << 30);
    }
  }
  note_tokenizer(model);
  return model;
}

}  // namespace sextant::trainer
