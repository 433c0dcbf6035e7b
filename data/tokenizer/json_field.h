#pragma once

#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sextant::data {

// A value inside a JSON file together with its path there ("model.merges[17]"), so that every complaint says
// where.
class JsonField {
 public:
  // `file` must outlive the field.
  JsonField(const std::string& file, std::string path, simdjson::dom::element value)
      : file_(&file), path_(std::move(path)), value_(value) {}

  // Throws Error(kInput): "FILE: PATH: MESSAGE".
  [[noreturn]] void fail(const std::string& message) const;

  bool is_null() const { return value_.is_null(); }
  bool is_string() const { return value_.is_string(); }
  bool is_array() const { return value_.is_array(); }

  // The value as what it has to be; fails otherwise.
  std::string_view text() const;
  int64_t integer() const;
  simdjson::dom::array array() const;
  simdjson::dom::object object() const;

  // A member of an object: required, or absent where it is missing or null.
  JsonField member(std::string_view name) const;
  std::optional<JsonField> optional_member(std::string_view name) const;
  // A true/false member, absent where it is missing or null.
  std::optional<bool> flag(std::string_view name) const;
  // An element of this array, with its place in the path.
  JsonField element(size_t index, simdjson::dom::element value) const;

 private:
  std::string path_of(std::string_view name) const;

  const std::string* file_;
  std::string path_;
  simdjson::dom::element value_;
};

}  // namespace sextant::data
