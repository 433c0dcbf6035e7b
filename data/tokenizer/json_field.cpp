#include "data/tokenizer/json_field.h"

#include <fmt/format.h>

#include "parallel/base/error.h"

namespace sextant::data {

void JsonField::fail(const std::string& message) const {
  fail_input(fmt::format("{}: {}: {}", *file_, path_.empty() ? "the file" : path_, message));
}

std::string_view JsonField::text() const {
  if (!value_.is_string()) fail("must be a string");
  return value_.get_string().value_unsafe();
}

int64_t JsonField::integer() const {
  int64_t number = 0;
  if (value_.get_int64().get(number) != simdjson::SUCCESS) fail("must be a whole number");
  return number;
}

simdjson::dom::array JsonField::array() const {
  if (!value_.is_array()) fail("must be a list [...]");
  return value_.get_array().value_unsafe();
}

simdjson::dom::object JsonField::object() const {
  if (!value_.is_object()) fail("must be an object {...}");
  return value_.get_object().value_unsafe();
}

std::string JsonField::path_of(std::string_view name) const {
  return path_.empty() ? std::string(name) : fmt::format("{}.{}", path_, name);
}

std::optional<JsonField> JsonField::optional_member(std::string_view name) const {
  simdjson::dom::element found;
  if (object().at_key(name).get(found) != simdjson::SUCCESS || found.is_null()) return std::nullopt;
  return JsonField(*file_, path_of(name), found);
}

JsonField JsonField::member(std::string_view name) const {
  if (auto found = optional_member(name)) return *found;
  fail(fmt::format("the field '{}' is missing", name));
}

std::optional<bool> JsonField::flag(std::string_view name) const {
  auto found = optional_member(name);
  if (!found) return std::nullopt;
  if (!found->value_.is_bool()) found->fail("must be true or false");
  return found->value_.get_bool().value_unsafe();
}

JsonField JsonField::element(size_t index, simdjson::dom::element value) const {
  return JsonField(*file_, fmt::format("{}[{}]", path_, index), value);
}

}  // namespace sextant::data
