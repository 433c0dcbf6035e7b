#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace sextant::trainer {

// The safetensors format: u64 length of the header, a JSON header padded with spaces to 8 bytes, then the
// tensors' bytes without gaps, little-endian. No code can hide in it.

struct SafetensorsEntry {
  std::string key;
  at::ScalarType type = at::kFloat;
  std::vector<int64_t> shape;
  uint64_t begin = 0;  // first byte, counted from the start of the file
  uint64_t bytes = 0;
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;        // in the order of their bytes
  std::map<std::string, std::string> metadata;  // "__metadata__"
  uint64_t bytes = 0;                           // what stands before the first tensor
};

// Reads and checks the header of a whole file's bytes; `path` is for messages. Throws Error(kInput), naming
// the tensor, unless the entries have known types, lie inside the file, do not overlap and leave no byte out.
// Memory stays within a small multiple of the header.
SafetensorsHeader parse_safetensors(std::span<const uint8_t> file, const std::string& path);

// Puts the entries (key, type and shape given) in the order in which their bytes are to follow, largest
// numbers first so that all are aligned, fills begin and bytes, and returns what stands before the tensors.
std::string lay_out_safetensors(std::vector<SafetensorsEntry>& entries,
                                const std::map<std::string, std::string>& metadata);

}  // namespace sextant::trainer
