#include "trainer/checkpoint/safetensors.h"

#include <stdexcept>

#include "tests/fuzz/target.h"

namespace sextant::fuzz {

void safetensors(std::span<const uint8_t> bytes) {
  trainer::SafetensorsHeader header = trainer::parse_safetensors(bytes, "fuzz.safetensors");
  for (const auto& entry : header.entries) {
    if (entry.begin > bytes.size() || entry.bytes > bytes.size() - entry.begin)
      throw std::logic_error("an accepted tensor lies outside its file");
  }
}

}  // namespace sextant::fuzz
