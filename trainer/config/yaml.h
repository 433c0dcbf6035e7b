#pragma once

#include <string>
#include <vector>

#include "trainer/config/complaint.h"

namespace sextant::trainer {

// YAML as it was written: nothing is interpreted, expanded or converted.
struct YamlNode {
  enum class Kind {
    kNull,    // no value, ~ or null
    kScalar,  // text
    kList,
    kMap,
    kRefused,  // something that was complained of already
  };
  enum class Style { kPlain, kQuoted };

  Kind kind = Kind::kNull;
  Style style = Style::kPlain;
  std::string text;  // of a scalar
  int line = 0;      // from 1
  int column = 0;    // in characters, from 1
  std::vector<YamlNode> children;
  // What a map calls this child, and where.
  std::string key;
  int key_line = 0;
  int key_column = 0;
};

// Parses one YAML document. What YAML allows and a configuration must not hold is complained of: anchors and
// aliases, tags, merge keys, duplicate keys, keys that are no plain text, a second document, more than 64
// levels, 10,000 values or 10,000 brackets and commas, bytes that are no text, and everything that is not
// YAML at all. `file` names it in places.
YamlNode parse_yaml(const std::string& text, const std::string& file, std::vector<Complaint>& complaints);

}  // namespace sextant::trainer
