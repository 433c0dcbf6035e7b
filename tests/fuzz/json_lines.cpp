#include "data/json_lines.h"

#include <string>

#include "tests/fuzz/target.h"

namespace sextant::fuzz {

// The bytes as JSON lines, packed or not: ByteSource looks at the first bytes. A packed file may hold much
// more than its size, so that the longest document is bounded as a user would bound it.
void json_lines(std::span<const uint8_t> bytes) {
  MemoryFile file(bytes);
  data::DocumentSettings settings;
  settings.format = data::DocumentFormat::kJsonLines;
  settings.limit = uint64_t{1} << 20;
  data::JsonLines lines(file.path(), settings);
  std::string text;
  while (lines.next(text)) text.clear();
}

}  // namespace sextant::fuzz
