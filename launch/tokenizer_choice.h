#pragma once

#include <string>

#include "data/tokenizer/tokenizer.h"
#include "launch/commands.h"

namespace sextant::launch {

// --tokenizer and --pattern, as every command that reads a tokenizer has them.
struct TokenizerChoice {
  std::string file, pattern;

  // The option --tokenizer, for a command to say that it is required.
  CLI::Option* add_to(CLI::App& command, const std::string& what);
  data::Tokenizer load() const { return data::Tokenizer::load(file, pattern); }
};

// Says on stderr, once, that text may lose bytes for which the vocabulary has no token.
void warn_of_missing_bytes(const data::Tokenizer& tokenizer);

}  // namespace sextant::launch
