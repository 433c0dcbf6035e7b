#include "trainer/checkpoint/weights_hash.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <memory>

#include "parallel/base/error.h"

namespace sextant::trainer {
namespace {

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    expect(context_ != nullptr && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1,
           "SHA-256 starts");
  }
  void add(const void* bytes, size_t count) {
    expect(EVP_DigestUpdate(context_.get(), bytes, count) == 1, "SHA-256 goes on");
  }
  std::string hex() {
    std::array<unsigned char, 32> digest{};
    expect(EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr) == 1, "SHA-256 ends");
    std::string text;
    for (unsigned char byte : digest) text += fmt::format("{:02x}", byte);
    return text;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

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
