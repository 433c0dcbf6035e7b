#include "trainer/config/overrides.h"

#include <fmt/format.h>

#include <charconv>
#include <set>

#include "trainer/config/characters.h"
#include "trainer/config/decode.h"
#include "trainer/config/field.h"
#include "trainer/config/yaml.h"

namespace sextant::trainer {
namespace {

namespace pb = google::protobuf;
using pb::FieldDescriptor;

Place here() {
  return {kCommandLine, 0, 0};
}

// What a key path names: a field of a message, or one element of a repeated field.
struct Target {
  pb::Message* message = nullptr;
  const FieldDescriptor* field = nullptr;
  int index = -1;
};

std::vector<std::string> parts_of(const std::string& key) {
  std::vector<std::string> parts;
  size_t start = 0;
  for (size_t dot = key.find('.'); dot != std::string::npos; dot = key.find('.', start)) {
    parts.push_back(key.substr(start, dot - start));
    start = dot + 1;
  }
  parts.push_back(key.substr(start));
  return parts;
}

std::optional<int> index_of(const std::string& part, int size) {
  int index = 0;
  auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), index);
  bool whole = error == std::errc() && end == part.data() + part.size();
  if (!whole || index < 0 || index >= size || part != std::to_string(index)) return std::nullopt;
  return index;
}

// Follows a key path from the root.
class Walk {
 public:
  Walk(pb::Message& root, const std::string& key, std::vector<Complaint>& complaints)
      : root_(root), key_(key), complaints_(complaints) {}

  std::optional<Target> target() {
    Target at{&root_, nullptr, -1};
    for (const std::string& part : parts_of(key_)) {
      bool inside = at.field == nullptr || enter(at, part);
      if (!inside) return std::nullopt;
      if (at.index >= 0) continue;  // the part was an index
      at.field = at.message->GetDescriptor()->FindFieldByName(part);
      if (at.field == nullptr) {
        complain(unknown_key(part, *at.message->GetDescriptor(), *root_.GetDescriptor()));
        return std::nullopt;
      }
    }
    return at;
  }

 private:
  // Goes into the field at hand, towards `part`.
  bool enter(Target& at, const std::string& part) {
    bool is_message = at.field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    const pb::Reflection& write = *at.message->GetReflection();
    if (at.field->is_repeated() && at.index < 0) return enter_list(at, part);
    if (!is_message) {
      complain(fmt::format("{} holds one value and has no key {}", at.field->name(), shown(part)));
      return false;
    }
    at.message = at.index < 0 ? write.MutableMessage(at.message, at.field)
                              : write.MutableRepeatedMessage(at.message, at.field, at.index);
    at.index = -1;
    return true;
  }

  bool enter_list(Target& at, const std::string& part) {
    int size = at.message->GetReflection()->FieldSize(*at.message, at.field);
    std::optional<int> index = index_of(part, size);
    if (index) {
      at.index = *index;
      return true;
    }
    complain(size == 0 ? fmt::format("{} is a list and holds nothing; give it as {}=[...]", at.field->name(),
                                     at.field->name())
                       : fmt::format("{} is a list; {} is not an index from 0 to {}", at.field->name(),
                                     shown(part), size - 1));
    return false;
  }

  void complain(std::string what) { complaints_.push_back(Complaint{key_, std::move(what), here()}); }

  pb::Message& root_;
  const std::string& key_;
  std::vector<Complaint>& complaints_;
};

// Text fields, and messages that stand for one, take what the shell passed without reading YAML in it.
bool takes_raw_text(const Target& target, const std::string& value) {
  if (value.starts_with('"') || value.starts_with('\'')) return false;
  if (target.field->is_repeated() && target.index < 0) return false;
  const FieldDescriptor* field = target.field;
  if (field->message_type() != nullptr) {
    if (value.starts_with('{')) return false;
    field = shorthand_of(*field->message_type());
  }
  return field != nullptr && field->cpp_type() == FieldDescriptor::CPPTYPE_STRING;
}

YamlNode value_node(const Target& target, const std::string& value, std::vector<Complaint>& complaints) {
  if (!takes_raw_text(target, value)) return parse_yaml(value, kCommandLine, complaints);
  YamlNode node;
  node.kind = YamlNode::Kind::kScalar;
  node.text = value;
  return node;
}

class Overrides {
 public:
  Overrides(pb::Message& message, Origins& origins, std::vector<Complaint>& complaints)
      : message_(message), origins_(origins), complaints_(complaints) {}

  void apply(const std::string& text) {
    size_t equals = text.find('=');
    std::string key = text.substr(0, equals);
    if (auto bad = bad_character(text)) return complain("", fmt::format("{} in {}", bad->what, shown(key)));
    if (equals == std::string::npos || equals == 0) {
      return complain("", fmt::format("{} is not key.path=value, such as run.steps=100", shown(text)));
    }
    std::string value = text.substr(equals + 1);
    if (value.empty()) return complain(key, "no value after the =");
    if (!given_.insert(key).second) return complain(key, "given twice on the command line; keep one of them");
    if (std::optional<Target> target = Walk(message_, key, complaints_).target()) set(key, value, *target);
  }

 private:
  void set(const std::string& key, const std::string& value, const Target& target) {
    std::vector<Complaint> found;
    YamlNode node = value_node(target, value, found);
    Decoder decoder(*message_.GetDescriptor(), kCommandLine, origins_, found);
    if (target.index >= 0) {
      decoder.element(node, key, *target.field, *target.message, target.index);
    } else {
      decoder.field(node, key, *target.field, *target.message);
    }
    for (Complaint& complaint : found) {
      if (complaint.key.empty()) complaint.key = key;
      complaints_.push_back(std::move(complaint));
    }
  }

  void complain(const std::string& key, std::string what) {
    complaints_.push_back(Complaint{key, std::move(what), here()});
  }

  pb::Message& message_;
  Origins& origins_;
  std::vector<Complaint>& complaints_;
  std::set<std::string> given_;
};

}  // namespace

void apply_overrides(const std::vector<std::string>& overrides, pb::Message& message, Origins& origins,
                     std::vector<Complaint>& complaints) {
  Overrides all(message, origins, complaints);
  for (const std::string& text : overrides) all.apply(text);
}

}  // namespace sextant::trainer
