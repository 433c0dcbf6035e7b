#pragma once

#include <map>
#include <string>

#include "trainer/checkpoint/gguf.h"

namespace sextant::trainer {

// The tokenizer.json in Hugging Face's format that a GGUF file's tokenizer.ggml.* keys stand for: byte-level
// BPE with a known pre-tokenizer. Throws Error(kInput) naming the key for what is not supported.
std::string gguf_tokenizer_json(const GgufFile& file);

// tokenizer_config.json and generation_config.json, with the file's special tokens and chat template.
std::map<std::string, std::string> gguf_tokenizer_files(const GgufFile& file);

}  // namespace sextant::trainer
