#include "trainer/checkpoint/llama2c.h"

#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <cstring>

#include "parallel/base/error.h"
#include "trainer/config/load.h"
#include "trainer/model/model_rules.h"

namespace sextant::trainer {
namespace {

constexpr size_t kHeaderBytes = 7 * sizeof(int32_t);

ModelSettings read_header(std::span<const uint8_t> file, const std::string& origin) {
  std::array<int32_t, 7> header{};
  if (file.size() < kHeaderBytes) fail_input(fmt::format("{}: only {} bytes long", origin, file.size()));
  std::memcpy(header.data(), file.data(), kHeaderBytes);
  const auto [width, hidden, layers, heads, key_heads, vocabulary, context] = header;
  int64_t ids = std::abs(int64_t{vocabulary});
  for (int64_t number : {int64_t{width}, int64_t{hidden}, int64_t{layers}, int64_t{heads}, int64_t{key_heads},
                         ids, int64_t{context}}) {
    // No count is above the numbers that the file holds.
    if (number >= 1 && number <= static_cast<int64_t>(file.size() / sizeof(float))) continue;
    fail_input(
        fmt::format("{}: is no model of llama2.c: its header says width {}, hidden {}, layers {}, heads "
                    "{} and {}, vocabulary {}, context {}",
                    origin, width, hidden, layers, heads, key_heads, vocabulary, context));
  }
  ModelSettings model;
  model.set_kind(ModelSettings::llama);
  model.set_width(width);
  model.set_ffn_width(hidden);
  model.set_layers(layers);
  model.set_heads(heads);
  model.set_kv_heads(key_heads);
  model.set_vocabulary(static_cast<int32_t>(ids));
  model.set_context(context);
  model.set_tied_embeddings(vocabulary > 0);
  fill_model_defaults(model, 0);
  set_constant_defaults(model);
  for (const Complaint& complaint : model_complaints(model)) {
    fail_input(fmt::format("{}: {}: {}", origin, complaint.key, complaint.what));
  }
  return model;
}

// Bytes of a file with such a header. In double, which no header overflows; a file's length is exact in it.
double file_bytes(const ModelSettings& model) {
  double width = model.width(), head = static_cast<double>(head_width(model));
  double attention = 2 * width * head * (model.heads() + model.kv_heads());
  double layer = 2 * width + attention + 3 * width * model.ffn_width();
  double tables = (model.tied_embeddings() ? 1 : 2) * width * model.vocabulary() + head * model.context();
  return kHeaderBytes + sizeof(float) * (model.layers() * layer + width + tables);
}

// Lays weights out one after the other.
class Places {
 public:
  std::vector<Llama2cWeight> weights;
  uint64_t end = kHeaderBytes;

  void add(const std::string& name, std::vector<int64_t> shape, int64_t turned_heads = 0) {
    uint64_t bytes = sizeof(float);
    for (int64_t extent : shape) bytes *= static_cast<uint64_t>(extent);
    weights.push_back({name, std::move(shape), end, turned_heads});
    end += bytes;
  }
  void add_layers(int layers, const char* name, const std::vector<int64_t>& shape, int64_t turned_heads = 0) {
    for (int layer = 0; layer < layers; ++layer) {
      add(fmt::format("blocks.{}.{}.weight", layer, name), shape, turned_heads);
    }
  }
};

}  // namespace

Llama2cLayout parse_llama2c(std::span<const uint8_t> file, const std::string& origin) {
  Llama2cLayout layout;
  layout.settings = read_header(file, origin);
  const ModelSettings& model = layout.settings;
  int64_t width = model.width(), hidden = model.ffn_width(), head = head_width(model);
  int layers = model.layers();
  if (file_bytes(model) != static_cast<double>(file.size())) {
    fail_input(fmt::format("{}: by its header, a model of llama2.c of {:.0f} bytes, but the file has {}",
                           origin, file_bytes(model), file.size()));
  }
  Places places;
  places.add("embedding.weight", {model.vocabulary(), width});
  places.add_layers(layers, "attention_norm", {width});
  places.add_layers(layers, "attention.query", {model.heads() * head, width}, model.heads());
  places.add_layers(layers, "attention.key", {model.kv_heads() * head, width}, model.kv_heads());
  places.add_layers(layers, "attention.value", {model.kv_heads() * head, width});
  places.add_layers(layers, "attention.output", {width, model.heads() * head});
  places.add_layers(layers, "feed_forward_norm", {width});
  places.add_layers(layers, "feed_forward.gate", {hidden, width});
  places.add_layers(layers, "feed_forward.down", {width, hidden});
  places.add_layers(layers, "feed_forward.up", {hidden, width});
  places.add("final_norm.weight", {width});
  places.end += sizeof(float) * static_cast<uint64_t>(model.context() * head);  // cosines and sines
  if (!model.tied_embeddings()) places.add("output.weight", {model.vocabulary(), width});
  expect(places.end == file.size(), "the weights fill the file");
  layout.weights = std::move(places.weights);
  return layout;
}

}  // namespace sextant::trainer
