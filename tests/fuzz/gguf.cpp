#include "trainer/checkpoint/gguf.h"

#include <stdexcept>
#include <vector>

#include "parallel/base/error.h"
#include "tests/fuzz/target.h"
#include "trainer/checkpoint/gguf_model.h"
#include "trainer/checkpoint/gguf_tokenizer.h"

namespace sextant::fuzz {
namespace {

// One block of each tensor: they may overlap, and a file of many names for the same bytes would take hours.
void read_tensors(const trainer::GgufFile& file, std::span<const uint8_t> bytes) {
  for (const trainer::GgufTensor& tensor : file.tensors()) {
    bool inside =
        tensor.bytes.data() >= bytes.data() && tensor.bytes.data() <= bytes.data() + bytes.size() &&
        tensor.bytes.size() <= static_cast<size_t>(bytes.data() + bytes.size() - tensor.bytes.data());
    if (!inside) throw std::logic_error("an accepted tensor lies outside its file");
    trainer::GgufBlock block = trainer::gguf_block(static_cast<uint32_t>(tensor.type)).value();
    if (tensor.bytes.empty()) continue;
    std::vector<float> numbers(static_cast<size_t>(block.numbers));
    trainer::dequantise(tensor.type, tensor.bytes.first(static_cast<size_t>(block.bytes)), numbers);
  }
}

}  // namespace

// What import does with everything but the weights' numbers. A file without a tokenizer is still a model.
void gguf(std::span<const uint8_t> bytes) {
  trainer::GgufFile file(bytes, "fuzz.gguf");
  read_tensors(file, bytes);
  try {
    trainer::gguf_tokenizer_files(file);
    trainer::gguf_tokenizer_json(file);
  } catch (const Error&) {
    // Import says so in a note and goes on.
  }
  trainer::gguf_correspondences(file, trainer::gguf_settings(file));
}

}  // namespace sextant::fuzz
