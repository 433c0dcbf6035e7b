#include "parallel/base/seed.h"

#include <Random123/philox.h>

#include <cmath>
#include <numbers>

namespace sextant {
namespace {

double unit_interval(uint64_t bits) {
  return static_cast<double>(bits >> 11) * 0x1.0p-53;
}

}  // namespace

uint64_t stable_hash(std::string_view text, uint64_t start) {
  uint64_t hash = start;
  for (char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3ULL;
  return hash;
}

RandomKey::RandomKey(uint64_t run_seed, std::string_view purpose) {
  // One Philox round trip mixes seed and purpose, so that nearby seeds give unrelated keys.
  uint64_t name = stable_hash(purpose);
  r123::Philox4x32 philox;
  auto mixed =
      philox({{static_cast<uint32_t>(run_seed), static_cast<uint32_t>(run_seed >> 32), 0x5e77a917u, 0u}},
             {{static_cast<uint32_t>(name), static_cast<uint32_t>(name >> 32)}});
  key_ = (static_cast<uint64_t>(mixed[1]) << 32) | mixed[0];
}

std::array<uint32_t, 4> RandomKey::words(uint64_t step, uint64_t index) const {
  r123::Philox4x32 philox;
  auto out = philox({{static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32),
                      static_cast<uint32_t>(step), static_cast<uint32_t>(step >> 32)}},
                    {{static_cast<uint32_t>(key_), static_cast<uint32_t>(key_ >> 32)}});
  return {out[0], out[1], out[2], out[3]};
}

uint64_t RandomKey::bits(uint64_t step, uint64_t index) const {
  auto w = words(step, index);
  return (static_cast<uint64_t>(w[1]) << 32) | w[0];
}

double RandomKey::uniform(uint64_t step, uint64_t index) const {
  return unit_interval(bits(step, index));
}

double RandomKey::normal(uint64_t step, uint64_t index) const {
  auto w = words(step, index);
  double u = 1.0 - unit_interval((static_cast<uint64_t>(w[1]) << 32) | w[0]);  // (0, 1]: log stays finite
  double v = unit_interval((static_cast<uint64_t>(w[3]) << 32) | w[2]);
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

uint64_t RandomKey::below(uint64_t bound, uint64_t step, uint64_t index) const {
  __extension__ using uint128 = unsigned __int128;
  return static_cast<uint64_t>((static_cast<uint128>(bits(step, index)) * bound) >> 64);
}

}  // namespace sextant
