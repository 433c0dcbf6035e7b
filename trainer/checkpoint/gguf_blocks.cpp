#include "trainer/checkpoint/gguf_blocks.h"

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <array>
#include <cstring>

#include "parallel/base/error.h"
#include "trainer/kernels/share_out.h"

namespace sextant::trainer {
namespace {

struct Kind {
  GgufTensorType type;
  GgufBlock block;
};

constexpr std::array<Kind, 11> kKinds{{
    {GgufTensorType::kF32, {"F32", 1, 4}},
    {GgufTensorType::kF16, {"F16", 1, 2}},
    {GgufTensorType::kBF16, {"BF16", 1, 2}},
    {GgufTensorType::kQ4_0, {"Q4_0", 32, 18}},
    {GgufTensorType::kQ4_1, {"Q4_1", 32, 20}},
    {GgufTensorType::kQ5_0, {"Q5_0", 32, 22}},
    {GgufTensorType::kQ5_1, {"Q5_1", 32, 24}},
    {GgufTensorType::kQ8_0, {"Q8_0", 32, 34}},
    {GgufTensorType::kQ4_K, {"Q4_K", 256, 144}},
    {GgufTensorType::kQ5_K, {"Q5_K", 256, 176}},
    {GgufTensorType::kQ6_K, {"Q6_K", 256, 210}},
}};

template <class Number>
float number_at(const uint8_t* bytes) {
  Number number;
  std::memcpy(&number, bytes, sizeof number);
  return static_cast<float>(number);
}

float half_at(const uint8_t* bytes) {
  return number_at<c10::Half>(bytes);
}

// 32 numbers of 4 bits: the low halves of 16 bytes, then the high ones. `high_bits` holds a fifth bit each.
void spread(const uint8_t* nibbles, uint32_t high_bits, float scale, float shift, float* out) {
  for (int i = 0; i < 16; ++i) {
    uint32_t low = (nibbles[i] & 0x0F) | ((high_bits >> i & 1) << 4);
    uint32_t high = (nibbles[i] >> 4) | ((high_bits >> (i + 16) & 1) << 4);
    out[i] = static_cast<float>(low) * scale + shift;
    out[i + 16] = static_cast<float>(high) * scale + shift;
  }
}

uint32_t word_at(const uint8_t* bytes) {
  uint32_t word = 0;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

void q8_0(const uint8_t* block, float* out) {
  float scale = half_at(block);
  for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(static_cast<int8_t>(block[2 + i])) * scale;
}

// The types with an offset of 8 or 16 instead of a minimum multiply (q - offset), which rounds as theirs
// does.
void centred(const uint8_t* nibbles, uint32_t high_bits, int offset, float scale, float* out) {
  spread(nibbles, high_bits, 1, static_cast<float>(-offset), out);
  for (int i = 0; i < 32; ++i) out[i] *= scale;
}

// The 6 bit scales and minima of the eight parts of a Q4_K or Q5_K block, packed into 12 bytes.
struct PartScale {
  float scale, minimum;
};

PartScale part_scale(const uint8_t* packed, int part) {
  uint8_t scale = 0, minimum = 0;
  if (part < 4) {
    scale = packed[part] & 63;
    minimum = packed[part + 4] & 63;
  } else {
    scale = static_cast<uint8_t>((packed[part + 4] & 0x0F) | (packed[part - 4] >> 6 << 4));
    minimum = static_cast<uint8_t>((packed[part + 4] >> 4) | (packed[part] >> 6 << 4));
  }
  return {static_cast<float>(scale), static_cast<float>(minimum)};
}

// Q4_K (no high bits) and Q5_K: eight parts of 32 numbers; two parts share 32 bytes of nibbles.
void q45_k(const uint8_t* block, const uint8_t* high_bits, const uint8_t* nibbles, float* out) {
  float scale = half_at(block), minimum = half_at(block + 2);
  for (int part = 0; part < 8; ++part) {
    PartScale packed = part_scale(block + 4, part);
    float step = scale * packed.scale, low = minimum * packed.minimum;
    for (int i = 0; i < 32; ++i) {
      int number = nibbles[part / 2 * 32 + i] >> (part % 2 * 4) & 0x0F;
      if (high_bits != nullptr) number |= (high_bits[i] >> part & 1) << 4;
      out[part * 32 + i] = step * static_cast<float>(number) - low;
    }
  }
}

// 256 numbers: low four bits in 128 bytes, high two in 64, sixteen scales of 8 bits, the block's scale last.
void q6_k(const uint8_t* block, float* out) {
  const uint8_t *low = block, *high = block + 128, *scales = block + 192;
  float scale = half_at(block + 208);
  for (int i = 0; i < 256; ++i) {
    int half = i / 128, quarter = i % 128 / 32, place = i % 32;
    int nibble = low[half * 64 + quarter % 2 * 32 + place] >> (quarter / 2 * 4) & 0x0F;
    int top = high[half * 32 + place] >> (quarter * 2) & 3;
    auto part = static_cast<float>(static_cast<int8_t>(scales[i / 16]));
    out[i] = scale * part * static_cast<float>((nibble | top << 4) - 32);
  }
}

void dequantise_block(GgufTensorType type, const uint8_t* block, float* out) {
  switch (type) {
    case GgufTensorType::kF32:
      *out = number_at<float>(block);
      return;
    case GgufTensorType::kF16:
      *out = half_at(block);
      return;
    case GgufTensorType::kBF16:
      *out = number_at<c10::BFloat16>(block);
      return;
    case GgufTensorType::kQ4_0:
      return centred(block + 2, 0, 8, half_at(block), out);
    case GgufTensorType::kQ4_1:
      return spread(block + 4, 0, half_at(block), half_at(block + 2), out);
    case GgufTensorType::kQ5_0:
      return centred(block + 6, word_at(block + 2), 16, half_at(block), out);
    case GgufTensorType::kQ5_1:
      return spread(block + 8, word_at(block + 4), half_at(block), half_at(block + 2), out);
    case GgufTensorType::kQ8_0:
      return q8_0(block, out);
    case GgufTensorType::kQ4_K:
      return q45_k(block, nullptr, block + 16, out);
    case GgufTensorType::kQ5_K:
      return q45_k(block, block + 16, block + 48, out);
    case GgufTensorType::kQ6_K:
      return q6_k(block, out);
  }
}

}  // namespace

std::optional<GgufBlock> gguf_block(uint32_t type) {
  for (const Kind& kind : kKinds) {
    if (static_cast<uint32_t>(kind.type) == type) return kind.block;
  }
  return std::nullopt;
}

void dequantise(GgufTensorType type, std::span<const uint8_t> blocks, std::span<float> out) {
  GgufBlock block = gguf_block(static_cast<uint32_t>(type)).value();
  auto count = static_cast<int64_t>(blocks.size()) / block.bytes;
  expect(static_cast<int64_t>(out.size()) == count * block.numbers, "there is room for every number");
  share_out(0, count, int64_t{1} << 14, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      dequantise_block(type, blocks.data() + i * block.bytes, out.data() + i * block.numbers);
    }
  });
}

}  // namespace sextant::trainer
