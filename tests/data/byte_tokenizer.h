#pragma once

#include <string>

#include "data/tokenizer/tokenizer.h"

namespace sextant::data {

// A tokenizer whose id is the byte, with <|endoftext|> = 256: golden values that one can read.
inline Tokenizer byte_tokenizer() {
  // Byte-level files write bytes that do not print as code points from 256 on, in order.
  auto utf8 = [](int code) {
    std::string out;
    if (code < 0x80) return std::string(1, static_cast<char>(code));
    out.push_back(static_cast<char>(0xc0 | (code >> 6)));
    out.push_back(static_cast<char>(0x80 | (code & 0x3f)));
    return out;
  };
  std::string vocabulary;
  int next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    bool prints = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    std::string symbol = utf8(prints ? byte : next++);
    if (symbol == "\"" || symbol == "\\") symbol = "\\" + symbol;
    vocabulary += "\"" + symbol + "\": " + std::to_string(byte) + ", ";
  }
  return Tokenizer::from_json(R"({"version": "1.0", "truncation": null, "padding": null, "added_tokens": [
    {"id": 256, "content": "<|endoftext|>", "single_word": false, "lstrip": false, "rstrip": false,
     "normalized": false, "special": true}],
    "normalizer": null,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
     "use_regex": true},
    "post_processor": null,
    "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
    "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
     "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "vocab": {)" +
                                  vocabulary + R"("<|endoftext|>": 256}, "merges": []}})",
                              "byte tokenizer");
}

}  // namespace sextant::data
