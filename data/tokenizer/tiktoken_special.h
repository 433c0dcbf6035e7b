#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "data/tokenizer/definition.h"

namespace sextant::data {

// The special tokens of the encoding that a split pattern belongs to. `count` and `end` describe the ranks
// that a file holds: how many, and the first id behind them.
std::vector<AddedToken> special_tokens_of(std::string_view pattern, int64_t count, int32_t end);

}  // namespace sextant::data
