#include "data/json_lines.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <optional>

#include "parallel/base/error.h"

namespace sextant::data {
namespace {

static_assert(LineReader::kPaddingBytes >= simdjson::SIMDJSON_PADDING, "simdjson reads this far past a line");

const char* kind_of(simdjson::dom::element_type type) {
  switch (type) {
    case simdjson::dom::element_type::ARRAY:
      return "an array";
    case simdjson::dom::element_type::OBJECT:
      return "an object";
    case simdjson::dom::element_type::BOOL:
      return "a boolean";
    case simdjson::dom::element_type::NULL_VALUE:
      return "null";
    case simdjson::dom::element_type::STRING:
      return "a string";
    default:
      return "a number";
  }
}

// The first keys of an object, for a message.
std::string keys_of(const simdjson::dom::object& object) {
  std::string keys;
  for (auto field : object) {
    if (keys.size() > 200) return keys + " ...";
    keys += fmt::format("{}\"{}\"", keys.empty() ? "" : ", ", field.key);
  }
  return keys.empty() ? "no keys" : keys;
}

}  // namespace

struct JsonLines::Parser {
  // The document model rather than the faster on-demand one: it checks the whole line, and picks the
  // processor's instructions at run time.
  simdjson::dom::parser parser;
};

JsonLines::JsonLines(const std::filesystem::path& path, const DocumentSettings& settings)
    : path_(path),
      key_(settings.json_key),
      lines_(path, settings.limit),
      parser_(std::make_unique<Parser>()) {}

JsonLines::~JsonLines() = default;

bool JsonLines::next(std::string& text) {
  size_t start = text.size();
  for (std::string_view line; lines_.next(line);) {
    if (!has_text(line)) continue;
    append_text(line, text);
    if (has_text(std::string_view(text).substr(start))) return true;
    text.resize(start);
  }
  return false;
}

void JsonLines::append_text(std::string_view line, std::string& text) {
  simdjson::dom::element element;
  if (auto code = parser_->parser.parse(line.data(), line.size(), false).get(element);
      code != simdjson::SUCCESS) {
    fail_line(fmt::format("this line is not JSON: {}", simdjson::error_message(code)));
  }
  simdjson::dom::object object;
  if (element.get_object().get(object) != simdjson::SUCCESS) {
    fail_line(fmt::format("this line is {}; each line holds an object such as {{\"{}\": \"...\"}}",
                          kind_of(element.type()), key_));
  }
  // Of equal keys the last one counts, as in other readers of JSON.
  std::optional<simdjson::dom::element> value;
  for (auto field : object) {
    if (field.key == key_) value = field.value;
  }
  if (!value) {
    fail_line(fmt::format("the object has no \"{}\" (it has {}); name the text's key with --json-key", key_,
                          keys_of(object)));
  }
  std::string_view string;
  if (value->get_string().get(string) != simdjson::SUCCESS) {
    fail_line(fmt::format("\"{}\" is {}, not a string", key_, kind_of(value->type())));
  }
  text.append(string);
}

void JsonLines::fail_line(const std::string& what) const {
  fail_input(fmt::format("{}:{}: {}", path_.string(), lines_.number(), what));
}

}  // namespace sextant::data
