#pragma once

#include <string>
#include <string_view>

#include "data/tokenizer/definition.h"

namespace sextant::data {

// Hugging Face's tokenizer.json, for byte-level BPE: docs/tokenizer.md says which fields are read and what is
// refused. Throws Error(kInput) naming `origin` and the field.
TokenizerDefinition read_tokenizer_json(std::string_view json, const std::string& origin);

// A tokenizer.json that read_tokenizer_json and Hugging Face's tokenizers load.
std::string write_tokenizer_json(const TokenizerDefinition& definition);

}  // namespace sextant::data
