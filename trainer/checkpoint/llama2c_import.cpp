#include <ATen/ATen.h>

#include <cstring>
#include <memory>

#include "data/durable_file.h"
#include "trainer/checkpoint/import.h"
#include "trainer/checkpoint/llama2c.h"

namespace sextant::trainer {
namespace {

at::Tensor read_weight(const data::MappedFile& file, const Llama2cWeight& weight) {
  at::Tensor numbers = at::empty(weight.shape, at::kFloat);
  std::memcpy(numbers.data_ptr(), file.bytes().data() + weight.begin, numbers.nbytes());
  return numbers;
}

}  // namespace

ForeignModel open_llama2c(const std::filesystem::path& path) {
  auto file = std::make_shared<data::MappedFile>(path);
  Llama2cLayout layout = parse_llama2c(file->bytes(), path.string());
  ForeignModel model;
  model.origin = path.filename().string();
  model.settings = layout.settings;
  std::map<std::string, ForeignTensor> tensors;
  std::vector<Correspondence> places;
  for (const Llama2cWeight& weight : layout.weights) {
    tensors[weight.name] = {weight.shape, at::kFloat, [file, weight] { return read_weight(*file, weight); }};
    places.push_back({weight.name,
                      {weight.name},
                      weight.turned_heads > 0 ? Lying::kRotaryTurned : Lying::kSame,
                      weight.turned_heads});
  }
  model.weights = match_weights(
      model.settings, places, tensors, [](const std::string&) { return false; }, path.string());
  note_tokenizer(model);
  return model;
}

}  // namespace sextant::trainer
