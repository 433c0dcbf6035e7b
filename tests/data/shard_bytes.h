#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sextant::data {

// The bytes of a number, little endian, one by one: an independent word on the format.
inline std::string little(uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>((value >> (8 * i)) & 0xff));
  return out;
}

// A .idx file as the format's description says.
struct IndexBytes {
  std::string magic{"MMIDIDX\0\0", 9};
  uint64_t version = 1;
  uint8_t code = 8;
  std::vector<int64_t> lengths, pointers, documents;
  std::string modes;

  std::string to_bytes() const {
    std::string out = magic + little(version, 8) + little(code, 1) + little(lengths.size(), 8) +
                      little(documents.size(), 8);
    for (int64_t length : lengths) out += little(static_cast<uint64_t>(length), 4);
    for (int64_t pointer : pointers) out += little(static_cast<uint64_t>(pointer), 8);
    for (int64_t document : documents) out += little(static_cast<uint64_t>(document), 8);
    return out + modes;
  }
};

// A .bin file of ids `width` bytes wide.
inline std::string bin_bytes(const std::vector<int64_t>& ids, int width) {
  std::string out;
  for (int64_t id : ids) out += little(static_cast<uint64_t>(id), width);
  return out;
}

}  // namespace sextant::data
