#include "trainer/checkpoint/weights_hash.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "trainer/sha256.h"

namespace sextant::trainer {
namespace {

constexpr int64_t kChunkElements = int64_t{4} << 20;

void add_tensor(Sha256& hash, const CheckpointReader& checkpoint, const std::string& name,
                const std::vector<int64_t>& shape) {
  StateTensor part{name, shape, {std::vector<int64_t>(shape.size(), 0), shape}, {}};
  int64_t rows = shape.empty() ? 1 : shape[0];
  if (part.slice.elements() == 0) return;
  // Some rows at a time; rows follow each other in memory, so the hash is that of the whole.
  int64_t rows_at_once = std::max<int64_t>(1, kChunkElements / (part.slice.elements() / rows));
  for (int64_t row = 0; row < rows; row += rows_at_once) {
    if (!shape.empty()) {
      part.slice.offset[0] = row;
      part.slice.shape[0] = std::min(rows_at_once, rows - row);
    }
    part.tensor = at::empty(part.slice.shape, at::TensorOptions(at::kFloat));
    checkpoint.read(part);
    hash.add(part.tensor.const_data_ptr(), part.tensor.nbytes());
  }
}

}  // namespace

std::string hash_weights(const CheckpointReader& checkpoint) {
  constexpr std::string_view kWeights = "weights/";
  Sha256 hash;
  for (const auto& [name, shape] : checkpoint.tensors()) {
    if (name.starts_with(kWeights)) add_tensor(hash, checkpoint, name, shape);
  }
  return hash.hex();
}

}  // namespace sextant::trainer
