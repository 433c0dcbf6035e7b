#include "trainer/generation/stop_tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "parallel/base/error.h"

namespace sextant::trainer {
namespace {

constexpr size_t kLongest = size_t{64} << 10;

using Json = nlohmann::json;

Json parse(std::string_view text, const std::string& origin) {
  if (text.size() > kLongest)
    fail_input(fmt::format("{}: {} bytes are too many; {} are read", origin, text.size(), kLongest));
  Json config = Json::parse(text, nullptr, false);
  if (!config.is_object()) fail_input(fmt::format("{}: is no JSON object; export the model again", origin));
  return config;
}

}  // namespace

std::vector<int32_t> stop_tokens(const data::Tokenizer& tokenizer, std::string_view generation_config,
                                 const std::string& origin) {
  std::vector<int32_t> ids;
  auto add = [&ids](int32_t id) {
    if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
  };
  if (auto end = tokenizer.end_of_text()) add(*end);
  if (generation_config.empty()) return ids;
  Json config = parse(generation_config, origin);
  Json named = config.value("eos_token_id", Json());
  if (named.is_null()) return ids;
  if (!named.is_array()) named = Json::array({named});
  for (const Json& id : named) {
    bool known =
        id.is_number_integer() && id.get<int64_t>() >= 0 && id.get<int64_t>() < tokenizer.vocabulary();
    if (!known)
      fail_input(
          fmt::format("{}: eos_token_id: {} is no id below {}", origin, id.dump(), tokenizer.vocabulary()));
    add(id.get<int32_t>());
  }
  return ids;
}

}  // namespace sextant::trainer
