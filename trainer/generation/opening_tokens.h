#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/tokenizer.h"

namespace sextant::trainer {

// The ids that stand before every prompt, as transformers puts them there: those of the tokenizer's
// post_processor (Tokenizer::opening), or, where the tokenizer_config.json that came with an imported model
// names Llama 2's class, its bos_token unless add_bos_token is false. `tokenizer_config` is empty where there
// is none; `origin` names it in messages. Throws Error(kInput) when it is no JSON or names a token that the
// tokenizer has not.
std::vector<int32_t> opening_tokens(const data::Tokenizer& tokenizer, std::string_view tokenizer_config,
                                    const std::string& origin);

}  // namespace sextant::trainer
