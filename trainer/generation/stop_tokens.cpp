#include "trainer/generation/stop_tokens.h"

#include <algorithm>

#include "trainer/checkpoint/json_settings.h"

namespace sextant::trainer {

std::vector<int32_t> stop_tokens(const data::Tokenizer& tokenizer, std::string_view generation_config,
                                 const std::string& origin) {
  std::vector<int32_t> ids;
  auto add = [&ids](int32_t id) {
    if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
  };
  if (auto end = tokenizer.end_of_text()) add(*end);
  if (generation_config.empty()) return ids;
  JsonSettings config = JsonSettings::parse(generation_config, origin);
  for (int64_t id : config.integers("eos_token_id", 0, tokenizer.vocabulary() - 1)) {
    add(static_cast<int32_t>(id));
  }
  return ids;
}

}  // namespace sextant::trainer
