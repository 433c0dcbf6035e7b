#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace sextant::trainer {

// How numbers of a GGUF tensor are stored, by its number in the file. Quantised types hold blocks of numbers
// that share a scale.
enum class GgufTensorType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kBF16 = 30,
};

struct GgufBlock {
  std::string_view name;  // "Q4_1"
  int64_t numbers = 0;    // in a block
  int64_t bytes = 0;      // of a block
};

// The layout of a type; none for one that is not read.
std::optional<GgufBlock> gguf_block(uint32_t type);

// The numbers of whole blocks as fp32, with the arithmetic of llama.cpp in fp32. `out` has room for all.
void dequantise(GgufTensorType type, std::span<const uint8_t> blocks, std::span<float> out);

}  // namespace sextant::trainer
