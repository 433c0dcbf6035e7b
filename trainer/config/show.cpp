#include "trainer/config/show.h"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "trainer/config/field.h"
#include "trainer/config/yaml_writer.h"

namespace sextant::trainer {
namespace {

namespace pb = google::protobuf;
using nlohmann::ordered_json;
using pb::FieldDescriptor;

std::string origin_text(const pb::Descriptor& root, const Origins& origins, const std::string& key) {
  if (const Place* place = origins.find(key)) {
    std::string text = place->text();
    // A file's name may hold what would end the comment.
    for (char& c : text) c = static_cast<unsigned char>(c) < 0x20 ? '?' : c;
    return text;
  }
  const FieldDescriptor* field = field_at(root, key);
  std::string follows = field == nullptr ? "" : facts_of(*field).default_is;
  return follows.empty() ? "default" : fmt::format("default: {}", follows);
}

// Width on the screen, as long as every character is one column wide.
size_t characters(const std::string& text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string padded(const std::string& text, size_t width) {
  size_t length = characters(text);
  return length < width ? text + std::string(width - length, ' ') : text;
}

size_t widest(const std::vector<std::string>& texts) {
  // A long path or prompt must not push every other comment off the screen.
  constexpr size_t kWidest = 60;
  size_t width = 0;
  for (const std::string& text : texts) {
    if (characters(text) <= kWidest) width = std::max(width, characters(text));
  }
  return width;
}

ordered_json json_of(const pb::Message& message);

ordered_json json_value(const pb::Message& message, const FieldDescriptor& field, int index) {
  const pb::Reflection& read = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return json_of(index < 0 ? read.GetMessage(message, &field)
                               : read.GetRepeatedMessage(message, &field, index));
    case FieldDescriptor::CPPTYPE_STRING:
      return index < 0 ? read.GetString(message, &field) : read.GetRepeatedString(message, &field, index);
    case FieldDescriptor::CPPTYPE_ENUM:
      return yaml_value(message, field, index);
    default:
      return ordered_json::parse(
          yaml_value(message, field, index));  // numbers and booleans are written alike
  }
}

ordered_json json_of(const pb::Message& message) {
  ordered_json object = ordered_json::object();
  const pb::Descriptor& descriptor = *message.GetDescriptor();
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const FieldDescriptor& field = *descriptor.field(i);
    if (field.is_repeated()) {
      ordered_json list = ordered_json::array();
      int size = message.GetReflection()->FieldSize(message, &field);
      for (int item = 0; item < size; ++item) list.push_back(json_value(message, field, item));
      object[field.name()] = std::move(list);
    } else if (message.GetReflection()->HasField(message, &field)) {
      object[field.name()] = json_value(message, field, -1);
    } else {
      object[field.name()] = nullptr;
    }
  }
  return object;
}

}  // namespace

std::string show_yaml(const pb::Message& message, const Origins& origins) {
  std::vector<YamlLine> lines = yaml_lines(message, UnsetFields::kAsComment);
  std::vector<std::string> texts;
  texts.reserve(lines.size());
  for (const YamlLine& line : lines) texts.push_back(line.text);
  size_t width = widest(texts);
  std::string out;
  for (const YamlLine& line : lines) {
    if (line.key.empty()) {
      out += line.text + "\n";
    } else {
      out += fmt::format("{}  # {}\n", padded(line.text, width),
                         origin_text(*message.GetDescriptor(), origins, line.key));
    }
  }
  return out;
}

std::string show_list(const pb::Message& message, const Origins& origins) {
  std::vector<std::string> keys, values, from;
  for (const YamlLine& line : yaml_lines(message, UnsetFields::kAsComment)) {
    if (line.key.empty()) continue;
    keys.push_back(line.key);
    values.push_back(line.value.empty() ? "-" : line.value);
    from.push_back(origin_text(*message.GetDescriptor(), origins, line.key));
  }
  size_t key_width = widest(keys), value_width = widest(values);
  std::string out;
  for (size_t i = 0; i < keys.size(); ++i) {
    out += fmt::format("{}  {}  {}\n", padded(keys[i], key_width), padded(values[i], value_width), from[i]);
  }
  return out;
}

std::string show_json(const pb::Message& message, const Origins& origins) {
  ordered_json from = ordered_json::object();
  for (const YamlLine& line : yaml_lines(message, UnsetFields::kAsComment)) {
    if (!line.key.empty()) from[line.key] = origin_text(*message.GetDescriptor(), origins, line.key);
  }
  return ordered_json{{"config", json_of(message)}, {"origins", std::move(from)}}.dump(2) + "\n";
}

}  // namespace sextant::trainer
