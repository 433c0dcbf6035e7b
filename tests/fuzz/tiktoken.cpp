#include "data/tokenizer/tiktoken_ranks.h"

#include <array>
#include <string_view>

#include "tests/fuzz/target.h"

namespace sextant::fuzz {

// The bytes as a rank file; the first one also chooses the pattern.
void tiktoken(std::span<const uint8_t> bytes) {
  constexpr std::array<std::string_view, 4> kPatterns{"r50k", "cl100k", "o200k", "llama3"};
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  data::read_tiktoken_ranks(text, kPatterns[bytes.empty() ? 0 : bytes[0] % kPatterns.size()],
                            "fuzz.tiktoken");
}

}  // namespace sextant::fuzz
