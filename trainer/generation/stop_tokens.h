#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/tokenizer.h"

namespace sextant::trainer {

// The ids that end a completion: the tokenizer's end of text, and "eos_token_id" of a generation_config.json
// that came with an imported model (a number or a list; chat models end their turns with another token than
// documents). `generation_config` is empty where there is none; `origin` names it in messages. Throws
// Error(kInput) when it is no JSON or holds other ids than the vocabulary's.
std::vector<int32_t> stop_tokens(const data::Tokenizer& tokenizer, std::string_view generation_config,
                                 const std::string& origin);

}  // namespace sextant::trainer
