#include "trainer/config/value.h"

#include <fmt/format.h>

#include <limits>
#include <optional>

#include "parallel/base/error.h"
#include "trainer/config/characters.h"
#include "trainer/config/complaint.h"
#include "trainer/config/field.h"
#include "trainer/config/nearest.h"

namespace sextant::trainer {
namespace {

namespace pb = google::protobuf;
using pb::FieldDescriptor;

std::vector<std::string> names_of(const pb::EnumDescriptor& choices) {
  std::vector<std::string> names;
  names.reserve(static_cast<size_t>(choices.value_count()));
  for (int i = 0; i < choices.value_count(); ++i) names.push_back(name_of(*choices.value(i)));
  return names;
}

std::variant<Value, Refusal> read_choice(const std::string& text, const pb::EnumDescriptor& choices) {
  if (const pb::EnumValueDescriptor* value = value_named(choices, text)) return Value(value);
  std::vector<std::string> names = names_of(choices);
  std::string meant = nearest(text, names);
  std::string hint = meant.empty() ? "" : fmt::format("; did you mean {}?", meant);
  return Refusal{fmt::format("{} is not one of {}{}", shown(text), fmt::join(names, ", "), hint)};
}

std::variant<Value, Refusal> read_text(const std::string& text, const FieldDescriptor& field) {
  if (!facts_of(field).path) return Value(text);
  if (text.empty()) return Refusal{"an empty path; remove the key or give a path"};
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      return Refusal{fmt::format("{} holds a control character, which a path must not", shown(text))};
    }
  }
  return Value(text);
}

// How the smallest and largest numbers of a type are narrowed by the field's own whole bounds, so that a
// number that does not even fit in the type is told the range that matters.
template <class Integer>
std::pair<Integer, Integer> whole_bounds(const FieldDescriptor& field, Integer smallest, Integer largest) {
  // Beyond 2^53 a double can not carry the bound exactly: the type's own stays.
  constexpr double kExact = 9007199254740992.0;
  FieldFacts facts = facts_of(field);
  if (facts.minimum && *facts.minimum > static_cast<double>(smallest))
    smallest = static_cast<Integer>(*facts.minimum);
  if (facts.maximum && *facts.maximum < kExact && *facts.maximum < static_cast<double>(largest)) {
    largest = static_cast<Integer>(*facts.maximum);
  }
  return {smallest, largest};
}

template <class Read>
std::variant<Value, Refusal> converted(const Reading<Read>& reading) {
  if (const std::string* what = std::get_if<1>(&reading)) return Refusal{*what};
  return Value(std::get<0>(reading));
}

std::variant<Value, Refusal> read_by_type(const std::string& text, const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return converted(read_bool(text));
    case FieldDescriptor::CPPTYPE_INT32: {
      using Limits = std::numeric_limits<int32_t>;
      auto [low, high] = whole_bounds<int64_t>(field, Limits::min(), Limits::max());
      return converted(read_integer(text, low, high));
    }
    case FieldDescriptor::CPPTYPE_INT64: {
      using Limits = std::numeric_limits<int64_t>;
      auto [low, high] = whole_bounds<int64_t>(field, Limits::min(), Limits::max());
      return converted(read_integer(text, low, high));
    }
    case FieldDescriptor::CPPTYPE_UINT32: {
      auto [low, high] = whole_bounds<uint64_t>(field, 0, std::numeric_limits<uint32_t>::max());
      return converted(read_unsigned(text, low, high));
    }
    case FieldDescriptor::CPPTYPE_UINT64: {
      auto [low, high] = whole_bounds<uint64_t>(field, 0, std::numeric_limits<uint64_t>::max());
      return converted(read_unsigned(text, low, high));
    }
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT:
      return converted(read_number(text));
    case FieldDescriptor::CPPTYPE_ENUM:
      return read_choice(text, *field.enum_type());
    case FieldDescriptor::CPPTYPE_STRING:
      return read_text(text, field);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  expect(false, "a scalar is read for a field that is no message");
  return Refusal{};
}

std::string number_of(const Value& value) {
  if (const auto* whole = std::get_if<int64_t>(&value)) return fmt::format("{}", *whole);
  if (const auto* whole = std::get_if<uint64_t>(&value)) return fmt::format("{}", *whole);
  return number_text(std::get<double>(value));
}

// What is wrong with a number that is outside its field's range, if it is.
std::optional<std::string> outside(const Value& value, const FieldDescriptor& field) {
  FieldFacts facts = facts_of(field);
  double number = 0;
  if (const auto* whole = std::get_if<int64_t>(&value)) {
    number = static_cast<double>(*whole);
  } else if (const auto* positive = std::get_if<uint64_t>(&value)) {
    number = static_cast<double>(*positive);
  } else if (const auto* real = std::get_if<double>(&value)) {
    number = *real;
  } else {
    return std::nullopt;
  }
  bool inside = (!facts.minimum || number >= *facts.minimum) &&
                (!facts.maximum || number <= *facts.maximum) && (!facts.above || number > *facts.above);
  if (inside) return std::nullopt;
  std::string unit = facts.unit.empty() ? "" : fmt::format(" ({})", facts.unit);
  return fmt::format("{} is out of range; give a number {}{}", number_of(value), range_text(facts), unit);
}

bool is_text(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_STRING ||
         field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM;
}

}  // namespace

std::variant<Value, Refusal> read_value(const YamlNode& scalar, const FieldDescriptor& field) {
  if (scalar.style == YamlNode::Style::kQuoted && !is_text(field)) {
    return Refusal{fmt::format("{} is quoted text where {} belongs; remove the quotes", shown(scalar.text),
                               wanted_text(field))};
  }
  std::variant<Value, Refusal> reading = read_by_type(scalar.text, field);
  if (const Value* value = std::get_if<Value>(&reading)) {
    if (auto what = outside(*value, field)) return Refusal{*what};
  }
  return reading;
}

void store_value(const Value& value, const FieldDescriptor& field, pb::Message& message, int index) {
  const pb::Reflection& write = *message.GetReflection();
  bool one = index < 0;
  bool append = !one && index == write.FieldSize(message, &field);
  auto store = [&](auto set, auto add, auto replace, const auto& stored) {
    if (one) {
      (write.*set)(&message, &field, stored);
    } else if (append) {
      (write.*add)(&message, &field, stored);
    } else {
      (write.*replace)(&message, &field, index, stored);
    }
  };
  using R = pb::Reflection;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return store(&R::SetBool, &R::AddBool, &R::SetRepeatedBool, std::get<bool>(value));
    case FieldDescriptor::CPPTYPE_INT32:
      return store(&R::SetInt32, &R::AddInt32, &R::SetRepeatedInt32,
                   static_cast<int32_t>(std::get<int64_t>(value)));
    case FieldDescriptor::CPPTYPE_INT64:
      return store(&R::SetInt64, &R::AddInt64, &R::SetRepeatedInt64, std::get<int64_t>(value));
    case FieldDescriptor::CPPTYPE_UINT32:
      return store(&R::SetUInt32, &R::AddUInt32, &R::SetRepeatedUInt32,
                   static_cast<uint32_t>(std::get<uint64_t>(value)));
    case FieldDescriptor::CPPTYPE_UINT64:
      return store(&R::SetUInt64, &R::AddUInt64, &R::SetRepeatedUInt64, std::get<uint64_t>(value));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return store(&R::SetDouble, &R::AddDouble, &R::SetRepeatedDouble, std::get<double>(value));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return store(&R::SetFloat, &R::AddFloat, &R::SetRepeatedFloat,
                   static_cast<float>(std::get<double>(value)));
    case FieldDescriptor::CPPTYPE_ENUM:
      return store(&R::SetEnum, &R::AddEnum, &R::SetRepeatedEnum,
                   std::get<const pb::EnumValueDescriptor*>(value));
    case FieldDescriptor::CPPTYPE_STRING:
      return store(&R::SetString, &R::AddString, &R::SetRepeatedString, std::get<std::string>(value));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  expect(false, "a value is stored in a field that is no message");
}

std::string wanted_text(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return "true or false";
    case FieldDescriptor::CPPTYPE_INT32:
    case FieldDescriptor::CPPTYPE_INT64:
    case FieldDescriptor::CPPTYPE_UINT32:
    case FieldDescriptor::CPPTYPE_UINT64:
      return "a whole number";
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT:
      return "a number";
    case FieldDescriptor::CPPTYPE_ENUM:
      return fmt::format("one of {}", fmt::join(names_of(*field.enum_type()), ", "));
    case FieldDescriptor::CPPTYPE_STRING:
      return facts_of(field).path ? "a path" : "text";
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return "a section of keys";
  }
  return "";
}

}  // namespace sextant::trainer
