#include <stdexcept>
#include <string_view>

#include "data/tokenizer/tokenizer.h"
#include "tests/fuzz/target.h"

namespace sextant::fuzz {

// Loads, then encodes and decodes a text with whatever was accepted.
void tokenizer_json(std::span<const uint8_t> bytes) {
  constexpr std::string_view kText = "The 1234 caf\xc3\xa9s\n\n  don't \xff\xf0\x9f\x98\x80 <|endoftext|>";
  auto tokenizer =
      data::Tokenizer::from_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, "fuzz.json");
  std::vector<int32_t> ids;
  tokenizer.encode(kText, ids, data::SpecialText::kRecognised);
  tokenizer.decode(ids);
  if (data::Tokenizer::from_json(tokenizer.to_json(), "again").fingerprint() != tokenizer.fingerprint())
    throw std::logic_error("a tokenizer changes when it is written and read");
}

}  // namespace sextant::fuzz
