#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace sextant::data {

static_assert(std::endian::native == std::endian::little,
              "shards are read and written as the processor has them");

// A number out of unaligned bytes.
template <class T>
T load(const uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

}  // namespace sextant::data
