#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace sextant::trainer {

// An item's object; keys stay in the order of the file.
using ItemObject = nlohmann::ordered_json;

// The value at a dotted path: names of objects, numbers of lists ("choices.text.0"). Throws Error(kInput)
// naming the path and what is there instead.
const ItemObject& field_at(const ItemObject& object, std::string_view path);

// A value as it stands in a text: texts as they are, numbers and booleans as JSON writes them. Throws
// Error(kInput) for lists, objects and null; `name` is what the message calls it.
std::string text_of(const ItemObject& value, std::string_view name);

// A text with fields of an object in it: "Question: {{question | trim}}". A field is a dotted path; filters
// follow in order:
//   trim            white space at both ends left out
//   lower           ASCII letters in lower case
//   capitalize      as Python's: the first ASCII letter upper case, the rest lower case
//   replace(a, b)   every a becomes b; arguments are "quoted"
//   before(a)       what stands before the first a; after(a): what stands after it
//   last_word       what stands after the last space; but_last_word: what stands before it
class TextTemplate {
 public:
  // Throws Error(kInput) for a field that is not closed and for an unknown filter.
  explicit TextTemplate(std::string_view text);

  // Throws Error(kInput) naming the field that the object lacks.
  std::string render(const ItemObject& object) const;
  bool empty() const { return parts_.empty(); }

 private:
  struct Filter {
    std::string name;
    std::vector<std::string> arguments;
  };
  struct Part {
    std::string text;  // as it stands, where there is no field
    std::string field;
    std::vector<Filter> filters;
  };
  std::vector<Part> parts_;

  static Part part_of(std::string_view inside);
  static Filter filter_of(std::string_view text);
  static std::string apply(const Filter& filter, std::string value);
};

}  // namespace sextant::trainer
