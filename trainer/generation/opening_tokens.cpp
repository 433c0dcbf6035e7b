#include "trainer/generation/opening_tokens.h"

#include <fmt/format.h>

#include "trainer/checkpoint/json_settings.h"

namespace sextant::trainer {
namespace {

// A token stands there as its text or as an object that holds it.
std::string token_text(const JsonSettings& config, const std::string& key) {
  return config.is_object(key) ? config.object(key).text("content") : config.text_or(key, "<s>");
}

}  // namespace

std::vector<int32_t> opening_tokens(const data::Tokenizer& tokenizer, std::string_view tokenizer_config,
                                    const std::string& origin) {
  if (tokenizer_config.empty()) return tokenizer.opening();
  JsonSettings config = JsonSettings::parse(tokenizer_config, origin);
  std::string type = config.text_or("tokenizer_class", "");
  if (type != "LlamaTokenizer" && type != "LlamaTokenizerFast") return tokenizer.opening();
  if (!config.flag_or("add_bos_token", true)) return {};
  std::string token = token_text(config, "bos_token");
  auto id = tokenizer.special(token);
  if (!id) config.fail("bos_token", fmt::format("'{:.80}' is no special token of the tokenizer", token));
  return {*id};
}

}  // namespace sextant::trainer
