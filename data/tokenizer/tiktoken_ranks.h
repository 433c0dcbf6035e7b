#pragma once

#include <string>
#include <string_view>

#include "data/tokenizer/definition.h"

namespace sextant::data {

// tiktoken's rank file: a token a line, its bytes in base64, a space, its rank, which is its id. Pieces that
// are tokens are looked up; else the neighbours whose joined bytes have the lowest rank become one token.
// `pattern` is one of SplitPattern::names() and also says which special tokens there are: with the published
// ids where the file has as many ranks as the published one, else behind the ranks. Throws Error(kInput)
// naming `origin` and the line.
TokenizerDefinition read_tiktoken_ranks(std::string_view text, std::string_view pattern,
                                        const std::string& origin);

// The pattern of a file that has its published name (cl100k_base.tiktoken -> cl100k); empty for others.
std::string_view pattern_of_published(std::string_view file_name);

}  // namespace sextant::data
