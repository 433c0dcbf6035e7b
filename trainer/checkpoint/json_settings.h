#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sextant::trainer {

// An object in a JSON file of settings, read key by key. Every method throws Error(kInput) naming file and
// key when a value is absent or not what is asked for. A key that holds null counts as absent.
class JsonSettings {
 public:
  // The whole of a file's text. Files over 1 MiB, with more than 200,000 values or nested deeper than 32
  // levels are refused: a tree takes far more memory than its text.
  static JsonSettings parse(std::string_view text, const std::string& origin);

  bool has(const std::string& key) const;
  // Set, though it may be null.
  bool is_given(const std::string& key) const { return value_.contains(key); }
  int64_t integer(const std::string& key, int64_t minimum, int64_t maximum) const;
  int64_t integer_or(const std::string& key, int64_t otherwise, int64_t minimum, int64_t maximum) const;
  double positive(const std::string& key) const;
  double positive_or(const std::string& key, double otherwise) const;
  bool flag_or(const std::string& key, bool otherwise) const;
  std::string text(const std::string& key) const;
  std::string text_or(const std::string& key, const std::string& otherwise) const;
  // A number or a list of them; empty when the key is absent.
  std::vector<int64_t> integers(const std::string& key, int64_t minimum, int64_t maximum) const;
  // Of a list of texts; empty when the key is absent.
  std::vector<std::string> texts(const std::string& key) const;
  // From 0 on, and finite.
  double not_negative_or(const std::string& key, double otherwise) const;
  bool is_object(const std::string& key) const { return has(key) && at(key).is_object(); }
  JsonSettings object(const std::string& key) const;

  [[noreturn]] void fail(const std::string& key, const std::string& why) const;

 private:
  JsonSettings(nlohmann::json value, std::string origin, std::string prefix);
  const nlohmann::json& at(const std::string& key) const;
  int64_t whole(const std::string& key, const nlohmann::json& value, int64_t minimum, int64_t maximum) const;

  nlohmann::json value_;
  std::string origin_, prefix_;
};

}  // namespace sextant::trainer
