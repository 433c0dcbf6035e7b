#include "data/tokenizer/tiktoken_special.h"

#include <fmt/format.h>

#include <string>

namespace sextant::data {
namespace {

struct Special {
  std::string_view text;
  int32_t id;
};

// What was published under a pattern's name: how many ranks, and the special tokens with their ids.
struct Published {
  std::string_view pattern;
  int64_t ranks;
  std::vector<Special> special;
};

const std::vector<Published>& published() {
  static const std::vector<Published> all = {
      {"gpt2", 50256, {{"<|endoftext|>", 50256}}},
      {"r50k", 50256, {{"<|endoftext|>", 50256}}},
      {"p50k", 50280, {{"<|endoftext|>", 50256}}},
      {"cl100k",
       100256,
       {{"<|endoftext|>", 100257},
        {"<|fim_prefix|>", 100258},
        {"<|fim_middle|>", 100259},
        {"<|fim_suffix|>", 100260},
        {"<|endofprompt|>", 100276}}},
      {"o200k", 199998, {{"<|endoftext|>", 199999}, {"<|endofprompt|>", 200018}}},
      {"qwen2", 151643, {{"<|endoftext|>", 151643}, {"<|im_start|>", 151644}, {"<|im_end|>", 151645}}}};
  return all;
}

// Llama 3's 256 special tokens, which always follow the ranks.
std::vector<AddedToken> of_llama3(int32_t end) {
  std::vector<std::string> texts = {"<|begin_of_text|>", "<|end_of_text|>"};
  auto reserved = [&](int number) { texts.push_back(fmt::format("<|reserved_special_token_{}|>", number)); };
  for (int number = 0; number < 4; ++number) reserved(number);
  texts.insert(texts.end(), {"<|start_header_id|>", "<|end_header_id|>"});
  reserved(4);
  texts.emplace_back("<|eot_id|>");
  for (int number = 5; number < 251; ++number) reserved(number);
  std::vector<AddedToken> tokens;
  for (std::string& text : texts) {
    AddedToken token;
    token.id = end + static_cast<int32_t>(tokens.size());
    token.text = std::move(text);
    tokens.push_back(std::move(token));
  }
  return tokens;
}

}  // namespace

std::vector<AddedToken> special_tokens_of(std::string_view pattern, int64_t count, int32_t end) {
  if (pattern == "llama3") return of_llama3(end);
  std::vector<AddedToken> tokens;
  for (const Published& encoding : published()) {
    if (encoding.pattern != pattern) continue;
    for (const Special& special : encoding.special) {
      AddedToken token;
      token.id = encoding.ranks == count ? special.id : end + static_cast<int32_t>(tokens.size());
      token.text = special.text;
      tokens.push_back(std::move(token));
    }
  }
  return tokens;
}

}  // namespace sextant::data
