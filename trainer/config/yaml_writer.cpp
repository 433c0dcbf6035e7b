#include "trainer/config/yaml_writer.h"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "parallel/base/error.h"
#include "trainer/config/complaint.h"
#include "trainer/config/field.h"

namespace sextant::trainer {
namespace {

namespace pb = google::protobuf;
using pb::FieldDescriptor;

// What readers of YAML, older ones too, take for something other than text.
constexpr std::array<std::string_view, 10> kWords = {"null", "true", "false", "yes", "no",
                                                     "on",   "off",  "y",     "n",   "nan"};

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_ascii_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_plain_safe(const std::string& text) {
  if (text.empty() || text.back() == ' ') return false;
  // A leading digit or dot could be a number or a date.
  if (!is_letter(text[0]) && text[0] != '/' && text[0] != '_' && !text.starts_with("./")) return false;
  auto is_safe = [](char c) {
    return is_letter(c) || is_ascii_digit(c) || std::string_view("_-./+ ").find(c) != std::string_view::npos;
  };
  if (!std::all_of(text.begin(), text.end(), is_safe)) return false;
  std::string lower = text;
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return std::find(kWords.begin(), kWords.end(), lower) == kWords.end();
}

bool is_empty(const pb::Message& message) {
  std::vector<const FieldDescriptor*> set;
  message.GetReflection()->ListFields(message, &set);
  return set.empty();
}

class Writer {
 public:
  explicit Writer(UnsetFields unset) : unset_(unset) {}

  std::vector<YamlLine> lines;

  void message(const pb::Message& message, const std::string& key, const std::string& indent) {
    const pb::Descriptor& descriptor = *message.GetDescriptor();
    for (int i = 0; i < descriptor.field_count(); ++i) {
      const FieldDescriptor& field = *descriptor.field(i);
      std::string path = join_key(key, field.name());
      if (field.is_repeated()) {
        list(message, field, path, indent);
      } else if (!message.GetReflection()->HasField(message, &field)) {
        if (unset_ == UnsetFields::kAsComment)
          lines.push_back({indent + "# " + field.name() + ":", path, ""});
      } else if (is_section(field)) {
        section(message.GetReflection()->GetMessage(message, &field), field.name(), path, indent);
      } else {
        std::string value = yaml_value(message, field);
        lines.push_back({fmt::format("{}{}: {}", indent, field.name(), value), path, value});
      }
    }
  }

 private:
  void section(const pb::Message& inner, const std::string& name, const std::string& path,
               const std::string& indent) {
    // A section without keys would read as an empty value.
    lines.push_back({fmt::format("{}{}:{}", indent, name, is_empty(inner) ? " {}" : ""), "", ""});
    message(inner, path, indent + "  ");
  }

  void list(const pb::Message& message, const FieldDescriptor& field, const std::string& path,
            const std::string& indent) {
    int size = message.GetReflection()->FieldSize(message, &field);
    if (size == 0) {
      if (unset_ == UnsetFields::kAsComment) lines.push_back({indent + field.name() + ": []", path, "[]"});
      return;
    }
    lines.push_back({indent + field.name() + ":", "", ""});
    for (int i = 0; i < size; ++i) item(message, field, i, fmt::format("{}.{}", path, i), indent + "  ");
  }

  void item(const pb::Message& owner, const FieldDescriptor& field, int index, const std::string& path,
            const std::string& indent) {
    if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
      std::string value = yaml_value(owner, field, index);
      lines.push_back({indent + "- " + value, path, value});
      return;
    }
    const pb::Message& entry = owner.GetReflection()->GetRepeatedMessage(owner, &field, index);
    if (is_empty(entry)) lines.push_back({indent + "- {}", path, "{}"});
    size_t first = lines.size();
    message(entry, path, indent + "  ");
    if (!is_empty(entry)) lines[first].text[indent.size()] = '-';
  }

  UnsetFields unset_;
};

}  // namespace

std::string yaml_scalar(const std::string& text) {
  if (is_plain_safe(text)) return text;
  std::string out = "\"";
  for (size_t i = 0; i < text.size(); ++i) {
    auto byte = static_cast<unsigned char>(text[i]);
    auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0;
    if (byte == '"' || byte == '\\') {
      out += '\\';
      out += text[i];
    } else if (byte == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else if (byte == 0xc2 && next < 0xa0) {  // U+0080 to U+009F
      out += fmt::format("\\x{:02x}", next);
      ++i;
    } else {
      out += text[i];
    }
  }
  return out + "\"";
}

std::string yaml_value(const pb::Message& message, const FieldDescriptor& field, int index) {
  const pb::Reflection& read = *message.GetReflection();
  bool one = index < 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return fmt::format(
          "{}", one ? read.GetInt32(message, &field) : read.GetRepeatedInt32(message, &field, index));
    case FieldDescriptor::CPPTYPE_INT64:
      return fmt::format(
          "{}", one ? read.GetInt64(message, &field) : read.GetRepeatedInt64(message, &field, index));
    case FieldDescriptor::CPPTYPE_UINT32:
      return fmt::format(
          "{}", one ? read.GetUInt32(message, &field) : read.GetRepeatedUInt32(message, &field, index));
    case FieldDescriptor::CPPTYPE_UINT64:
      return fmt::format(
          "{}", one ? read.GetUInt64(message, &field) : read.GetRepeatedUInt64(message, &field, index));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return number_text(one ? read.GetDouble(message, &field)
                             : read.GetRepeatedDouble(message, &field, index));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return fmt::format(
          "{}", one ? read.GetFloat(message, &field) : read.GetRepeatedFloat(message, &field, index));
    case FieldDescriptor::CPPTYPE_BOOL:
      return (one ? read.GetBool(message, &field) : read.GetRepeatedBool(message, &field, index)) ? "true"
                                                                                                  : "false";
    case FieldDescriptor::CPPTYPE_ENUM:
      return name_of(*(one ? read.GetEnum(message, &field) : read.GetRepeatedEnum(message, &field, index)));
    case FieldDescriptor::CPPTYPE_STRING:
      return yaml_scalar(one ? read.GetString(message, &field)
                             : read.GetRepeatedString(message, &field, index));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  expect(false, "yaml_value is asked for a value that is no message");
  return "";
}

std::vector<YamlLine> yaml_lines(const pb::Message& message, UnsetFields unset) {
  Writer writer(unset);
  writer.message(message, "", "");
  return std::move(writer.lines);
}

std::string to_yaml(const pb::Message& message) {
  std::string text;
  for (const YamlLine& line : yaml_lines(message, UnsetFields::kLeftOut)) text += line.text + "\n";
  return text;
}

}  // namespace sextant::trainer
