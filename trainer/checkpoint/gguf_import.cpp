#include <ATen/ATen.h>
#include <fmt/format.h>

#include <memory>

#include "data/durable_file.h"
#include "data/tokenizer/tokenizer.h"
#include "parallel/base/error.h"
#include "trainer/checkpoint/gguf_model.h"
#include "trainer/checkpoint/gguf_tokenizer.h"
#include "trainer/checkpoint/import.h"

namespace sextant::trainer {
namespace {

// A file with what points into it.
struct OpenedGguf {
  explicit OpenedGguf(const std::filesystem::path& path)
      : mapped(path), parsed(mapped.bytes(), path.string()) {}
  data::MappedFile mapped;
  GgufFile parsed;
};

// Types that ours stores as well keep their bits; quantised ones become fp32.
at::ScalarType stored_type(GgufTensorType type) {
  if (type == GgufTensorType::kF16) return at::kHalf;
  if (type == GgufTensorType::kBF16) return at::kBFloat16;
  return at::kFloat;
}

at::Tensor read_tensor(const GgufTensor& tensor) {
  at::Tensor numbers = at::empty(tensor.shape, at::kFloat);
  dequantise(tensor.type, tensor.bytes, {numbers.data_ptr<float>(), static_cast<size_t>(numbers.numel())});
  return numbers.to(stored_type(tensor.type));
}

bool is_known_extra(const std::string& key) {
  return key == "rope_freqs.weight";
}

}  // namespace

ForeignModel open_gguf(const std::filesystem::path& path) {
  auto file = std::make_shared<OpenedGguf>(path);
  const GgufFile& parsed = file->parsed;
  ForeignModel model;
  model.origin = path.filename().string();
  model.settings = gguf_settings(parsed);
  std::map<std::string, ForeignTensor> tensors;
  for (const GgufTensor& tensor : parsed.tensors()) {
    tensors[std::string(tensor.name)] = {tensor.shape, stored_type(tensor.type),
                                         [file, &tensor] { return read_tensor(tensor); }};
  }
  model.weights = match_weights(model.settings, gguf_correspondences(parsed, model.settings), tensors,
                                is_known_extra, path.string());
  try {
    model.side_files = gguf_tokenizer_files(parsed);
    model.side_files["tokenizer.json"] = gguf_tokenizer_json(parsed);
  } catch (const Error& error) {
    model.notes.push_back(fmt::format("the checkpoint has no tokenizer: {}", error.what()));
  }
  note_tokenizer(model);
  return model;
}

}  // namespace sextant::trainer
