#include "trainer/checkpoint/llama2c.h"

#include <stdexcept>

#include "tests/fuzz/target.h"

namespace sextant::fuzz {

void llama2c(std::span<const uint8_t> bytes) {
  for (const auto& weight : trainer::parse_llama2c(bytes, "fuzz.bin").weights) {
    uint64_t size = sizeof(float);
    for (int64_t extent : weight.shape) size *= static_cast<uint64_t>(extent);
    if (weight.begin > bytes.size() || size > bytes.size() - weight.begin)
      throw std::logic_error("an accepted weight lies outside its file");
  }
}

}  // namespace sextant::fuzz
