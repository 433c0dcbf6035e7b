#include "trainer/checkpoint/json_settings.h"

#include <fmt/format.h>

#include <cmath>

#include "parallel/base/error.h"
#include "trainer/checkpoint/json_bounds.h"

namespace sextant::trainer {
namespace {

using nlohmann::json;

constexpr size_t kMostBytes = size_t{1} << 20;
constexpr int kDeepest = 32;
constexpr int kMostValues = 200'000;

}  // namespace

JsonSettings::JsonSettings(json value, std::string origin, std::string prefix)
    : value_(std::move(value)), origin_(std::move(origin)), prefix_(std::move(prefix)) {}

JsonSettings JsonSettings::parse(std::string_view text, const std::string& origin) {
  if (text.size() > kMostBytes) {
    fail_input(fmt::format("{}: {} bytes are too many for a file of settings; at most {} are read", origin,
                           text.size(), kMostBytes));
  }
  check_json_bounds(text, origin, {kDeepest, kMostValues});
  json value;
  try {
    value = json::parse(text);
  } catch (const json::exception& error) {
    fail_input(fmt::format("{}: is no JSON: {}", origin, error.what()));
  }
  require(value.is_object(), fmt::format("{}: is no JSON object", origin));
  return {std::move(value), origin, ""};
}

bool JsonSettings::has(const std::string& key) const {
  return value_.contains(key) && !value_.at(key).is_null();
}

const json& JsonSettings::at(const std::string& key) const {
  if (!has(key)) fail(key, "is missing");
  return value_.at(key);
}

void JsonSettings::fail(const std::string& key, const std::string& why) const {
  fail_input(fmt::format("{}: {}{}: {}", origin_, prefix_, key, why));
}

int64_t JsonSettings::whole(const std::string& key, const json& value, int64_t minimum,
                            int64_t maximum) const {
  if (!value.is_number_integer()) fail(key, "is no whole number");
  if (value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) {
    fail(key, fmt::format("{} is above {}", value.get<uint64_t>(), maximum));
  }
  auto number = value.get<int64_t>();
  if (number < minimum || number > maximum) {
    fail(key, fmt::format("{} is not between {} and {}", number, minimum, maximum));
  }
  return number;
}

int64_t JsonSettings::integer(const std::string& key, int64_t minimum, int64_t maximum) const {
  return whole(key, at(key), minimum, maximum);
}

std::vector<int64_t> JsonSettings::integers(const std::string& key, int64_t minimum, int64_t maximum) const {
  if (!has(key)) return {};
  if (!at(key).is_array()) return {integer(key, minimum, maximum)};
  std::vector<int64_t> numbers;
  for (const json& entry : at(key)) numbers.push_back(whole(key, entry, minimum, maximum));
  return numbers;
}

int64_t JsonSettings::integer_or(const std::string& key, int64_t otherwise, int64_t minimum,
                                 int64_t maximum) const {
  return has(key) ? integer(key, minimum, maximum) : otherwise;
}

double JsonSettings::positive(const std::string& key) const {
  const json& value = at(key);
  if (!value.is_number()) fail(key, "is no number");
  auto number = value.get<double>();
  if (!(number > 0) || !std::isfinite(number)) fail(key, fmt::format("{} is not above 0", number));
  return number;
}

double JsonSettings::positive_or(const std::string& key, double otherwise) const {
  return has(key) ? positive(key) : otherwise;
}

bool JsonSettings::flag_or(const std::string& key, bool otherwise) const {
  if (!has(key)) return otherwise;
  if (!at(key).is_boolean()) fail(key, "is neither true nor false");
  return at(key).get<bool>();
}

std::string JsonSettings::text(const std::string& key) const {
  if (!at(key).is_string()) fail(key, "is no text");
  return at(key).get<std::string>();
}

std::string JsonSettings::text_or(const std::string& key, const std::string& otherwise) const {
  return has(key) ? text(key) : otherwise;
}

std::vector<std::string> JsonSettings::texts(const std::string& key) const {
  if (!has(key)) return {};
  if (!at(key).is_array()) fail(key, "is no list");
  std::vector<std::string> list;
  for (const json& entry : at(key)) {
    if (!entry.is_string()) fail(key, "holds an entry that is no text");
    list.push_back(entry.get<std::string>());
  }
  return list;
}

double JsonSettings::not_negative_or(const std::string& key, double otherwise) const {
  if (!has(key) || at(key) != 0) return positive_or(key, otherwise);
  return 0;
}

JsonSettings JsonSettings::object(const std::string& key) const {
  if (!at(key).is_object()) fail(key, "is no object");
  return {at(key), origin_, prefix_ + key + "."};
}

}  // namespace sextant::trainer
