#include "trainer/evaluation/text_template.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "parallel/base/error.h"

namespace sextant::trainer {
namespace {

constexpr std::string_view kSpace = " \t\r\n\f\v";

struct FilterKind {
  std::string_view name;
  size_t arguments;
};
constexpr FilterKind kFilters[] = {{"trim", 0},   {"lower", 0}, {"capitalize", 0}, {"replace", 2},
                                   {"before", 1}, {"after", 1}, {"last_word", 0},  {"but_last_word", 0}};

std::string_view trim(std::string_view text) {
  size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
}

char lower_ascii(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string replaced(const std::string& text, const std::string& what, const std::string& by) {
  std::string out;
  size_t from = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, from)) {
    out.append(text, from, at - from).append(by);
    from = at + what.size();
  }
  return out.append(text, from);
}

// "a", "b" without their quotes. Throws for anything else.
std::vector<std::string> quoted_arguments(std::string_view text, std::string_view filter) {
  std::vector<std::string> arguments;
  for (text = trim(text); !text.empty();) {
    size_t end = text.front() == '"' ? text.find('"', 1) : std::string_view::npos;
    if (end == std::string_view::npos)
      fail_input(fmt::format("the arguments of the filter '{}' must be \"quoted\"", filter));
    arguments.emplace_back(text.substr(1, end - 1));
    text = trim(text.substr(end + 1));
    if (!text.empty() && text.front() == ',') text = trim(text.substr(1));
  }
  return arguments;
}

// Pieces between the marks that stand outside of quotes.
std::vector<std::string_view> pieces_of(std::string_view text, char mark) {
  std::vector<std::string_view> pieces;
  bool quoted = false;
  size_t begin = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') quoted = !quoted;
    if (text[i] != mark || quoted) continue;
    pieces.push_back(text.substr(begin, i - begin));
    begin = i + 1;
  }
  pieces.push_back(text.substr(begin));
  return pieces;
}

// What a value holds, for a message.
std::string contents_of(const ItemObject& value) {
  if (value.is_array()) return fmt::format("a list of {}", value.size());
  if (!value.is_object()) return fmt::format("a {}", value.type_name());
  std::string keys;
  for (const auto& [key, unused] : value.items()) {
    if (keys.size() < 200) keys += fmt::format("{}\"{}\"", keys.empty() ? "" : ", ", key);
  }
  return keys.empty() ? "an empty object" : keys;
}

}  // namespace

const ItemObject& field_at(const ItemObject& object, std::string_view path) {
  const ItemObject* value = &object;
  for (std::string_view name : pieces_of(path, '.')) {
    size_t index = 0;
    auto [end, fault] = std::from_chars(name.data(), name.data() + name.size(), index);
    bool number = fault == std::errc() && end == name.data() + name.size();
    if (value->is_array() && number && index < value->size()) {
      value = &(*value)[index];
    } else if (value->is_object() && value->contains(std::string(name))) {
      value = &(*value)[std::string(name)];
    } else {
      fail_input(
          fmt::format("the field '{}' is missing: there is no '{}' in {}", path, name, contents_of(*value)));
    }
  }
  return *value;
}

std::string text_of(const ItemObject& value, std::string_view name) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number() || value.is_boolean()) return value.dump();
  fail_input(fmt::format("the field '{}' is {} {}, not a text or a number", name,
                         value.is_null() ? "JSON's" : "an", value.type_name()));
}

TextTemplate::TextTemplate(std::string_view text) {
  while (!text.empty()) {
    size_t open = text.find("{{");
    if (open > 0) parts_.push_back({std::string(text.substr(0, open)), "", {}});
    if (open == std::string_view::npos) return;
    size_t close = text.find("}}", open);
    if (close == std::string_view::npos) {
      fail_input(fmt::format("the field that begins at '{}' has no end; close it with }}}}",
                             text.substr(open, std::min<size_t>(30, text.size() - open))));
    }
    parts_.push_back(part_of(text.substr(open + 2, close - open - 2)));
    text.remove_prefix(close + 2);
  }
}

TextTemplate::Part TextTemplate::part_of(std::string_view inside) {
  std::vector<std::string_view> pieces = pieces_of(inside, '|');
  Part part{"", std::string(trim(pieces[0])), {}};
  require(!part.field.empty(), fmt::format("'{{{{{}}}}}' names no field", inside));
  for (size_t i = 1; i < pieces.size(); ++i) part.filters.push_back(filter_of(trim(pieces[i])));
  return part;
}

TextTemplate::Filter TextTemplate::filter_of(std::string_view text) {
  size_t open = text.find('(');
  Filter filter{std::string(trim(text.substr(0, open))), {}};
  if (open != std::string_view::npos) {
    require(text.back() == ')', fmt::format("the filter '{}' has no closing bracket", text));
    filter.arguments = quoted_arguments(text.substr(open + 1, text.size() - open - 2), filter.name);
  }
  std::string known;
  for (const FilterKind& kind : kFilters) {
    known += fmt::format("{}{}", known.empty() ? "" : ", ", kind.name);
    if (kind.name != filter.name) continue;
    if (kind.arguments != filter.arguments.size()) {
      fail_input(fmt::format("the filter '{}' takes {} arguments, not {}", filter.name, kind.arguments,
                             filter.arguments.size()));
    }
    require(kind.arguments == 0 || !filter.arguments[0].empty(),
            fmt::format("the first argument of the filter '{}' is empty", filter.name));
    return filter;
  }
  fail_input(fmt::format("there is no filter '{}'; there are {}", filter.name, known));
}

std::string TextTemplate::apply(const Filter& filter, std::string value) {
  if (filter.name == "trim") return std::string(trim(value));
  if (filter.name == "replace") return replaced(value, filter.arguments[0], filter.arguments[1]);
  if (filter.name == "lower" || filter.name == "capitalize") {
    std::transform(value.begin(), value.end(), value.begin(), lower_ascii);
    if (filter.name == "capitalize" && !value.empty() && value[0] >= 'a' && value[0] <= 'z')
      value[0] = static_cast<char>(value[0] - 'a' + 'A');
    return value;
  }
  bool words = filter.name.ends_with("word");
  size_t at = words ? value.rfind(' ') : value.find(filter.arguments[0]);
  if (at == std::string::npos) {
    if (words) return filter.name == "last_word" ? value : "";
    fail_input(fmt::format("'{}' is not in the text, but the filter '{}' looks for it", filter.arguments[0],
                           filter.name));
  }
  if (filter.name == "before" || filter.name == "but_last_word") return value.substr(0, at);
  return value.substr(at + (words ? 1 : filter.arguments[0].size()));
}

std::string TextTemplate::render(const ItemObject& object) const {
  std::string text;
  for (const Part& part : parts_) {
    if (part.field.empty()) {
      text += part.text;
      continue;
    }
    std::string value = text_of(field_at(object, part.field), part.field);
    for (const Filter& filter : part.filters) value = apply(filter, std::move(value));
    text += value;
  }
  return text;
}

}  // namespace sextant::trainer
