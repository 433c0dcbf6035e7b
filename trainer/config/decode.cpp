#include "trainer/config/decode.h"

#include <fmt/format.h>

#include <algorithm>

#include "parallel/base/error.h"
#include "trainer/config/field.h"
#include "trainer/config/nearest.h"
#include "trainer/config/value.h"

namespace sextant::trainer {
namespace {

namespace pb = google::protobuf;
using pb::FieldDescriptor;

bool is_message(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
}

std::vector<std::string> keys_of(const pb::Descriptor& section) {
  std::vector<std::string> keys;
  keys.reserve(static_cast<size_t>(section.field_count()));
  for (int i = 0; i < section.field_count(); ++i) keys.push_back(section.field(i)->name());
  return keys;
}

// The full keys whose last part is the nearest to `name`.
std::vector<std::string> elsewhere(const std::string& name, const pb::Descriptor& root) {
  std::vector<std::string> full = all_keys(root), last;
  for (const std::string& key : full) last.push_back(key.substr(key.rfind('.') + 1));
  std::string best = nearest(name, last);
  std::vector<std::string> found;
  for (size_t i = 0; i < full.size() && !best.empty(); ++i) {
    if (last[i] == best) found.push_back(full[i]);
  }
  return found;
}

std::string kind_text(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kList:
      return "a list";
    case YamlNode::Kind::kMap:
      return "a section of keys";
    case YamlNode::Kind::kScalar:
      return shown(node.text);
    case YamlNode::Kind::kNull:
      return "an empty value";
    case YamlNode::Kind::kRefused:
      break;
  }
  return "this";
}

// "steps: 100" where "steps:" was left empty, "[a]" where a lone a was given.
std::string type_hint(const YamlNode& node, const FieldDescriptor& field) {
  if (node.kind == YamlNode::Kind::kScalar && field.is_repeated())
    return fmt::format("; write [{}]", node.text.substr(0, 60));
  if (node.kind == YamlNode::Kind::kNull) return "; give a value, or remove the key";
  return "";
}

}  // namespace

Decoder::Decoder(const pb::Descriptor& root, std::string file, Origins& origins,
                 std::vector<Complaint>& complaints)
    : root_(root), file_(std::move(file)), origins_(origins), complaints_(complaints) {}

void Decoder::complain(const YamlNode& node, const std::string& key, std::string what) {
  complaints_.push_back(Complaint{key, std::move(what), place(node)});
}

void Decoder::message(const YamlNode& node, const std::string& key, pb::Message& message) {
  if (node.kind == YamlNode::Kind::kRefused) return;
  const pb::Descriptor& descriptor = *message.GetDescriptor();
  const FieldDescriptor* lone = shorthand_of(descriptor);
  if (lone != nullptr && node.kind == YamlNode::Kind::kScalar) {
    return field(node, join_key(key, lone->name()), *lone, message);
  }
  if (node.kind != YamlNode::Kind::kMap) {
    std::string hint = node.kind == YamlNode::Kind::kNull ? "; give it keys, or remove it" : "";
    return complain(node, key,
                    fmt::format("{} stands where a section of keys belongs ({}){}", kind_text(node),
                                fmt::join(keys_of(descriptor), ", "), hint));
  }
  for (const YamlNode& child : node.children) {
    std::string path = join_key(key, child.key);
    if (const FieldDescriptor* known = descriptor.FindFieldByName(child.key)) {
      field(child, path, *known, message);
    } else {
      std::string shown_path = path.size() > 100 ? key : path;
      complaints_.push_back(Complaint{shown_path, unknown_key(child.key, descriptor, root_),
                                      Place{file_, child.key_line, child.key_column}});
    }
  }
}

void Decoder::field(const YamlNode& node, const std::string& key, const FieldDescriptor& field,
                    pb::Message& message) {
  if (field.is_repeated()) return list(node, key, field, message);
  if (!is_message(field)) return scalar(node, key, field, message, -1);
  if (node.kind == YamlNode::Kind::kRefused) return;
  origins_.record(key, Place{file_, node.key_line, node.key_column});
  this->message(node, key, *message.GetReflection()->MutableMessage(&message, &field));
}

void Decoder::element(const YamlNode& node, const std::string& key, const FieldDescriptor& field,
                      pb::Message& message, int index) {
  if (!is_message(field)) return scalar(node, key, field, message, index);
  pb::Message* inner = message.GetReflection()->MutableRepeatedMessage(&message, &field, index);
  inner->Clear();
  origins_.forget(key);
  origins_.record(key, place(node));
  this->message(node, key, *inner);
}

void Decoder::list(const YamlNode& node, const std::string& key, const FieldDescriptor& field,
                   pb::Message& message) {
  if (node.kind == YamlNode::Kind::kRefused) return;
  if (node.kind != YamlNode::Kind::kList) {
    return complain(node, key,
                    fmt::format("{} stands where a list belongs{}", kind_text(node), type_hint(node, field)));
  }
  const pb::Reflection& write = *message.GetReflection();
  write.ClearField(&message, &field);
  origins_.forget(key);
  origins_.record(key, place(node));
  for (size_t i = 0; i < node.children.size(); ++i) {
    const YamlNode& child = node.children[i];
    std::string path = fmt::format("{}.{}", key, i);
    int index = write.FieldSize(message, &field);
    if (is_message(field)) write.AddMessage(&message, &field);
    element(child, path, field, message, index);
  }
}

void Decoder::scalar(const YamlNode& node, const std::string& key, const FieldDescriptor& field,
                     pb::Message& message, int index) {
  if (node.kind == YamlNode::Kind::kRefused) return;
  if (node.kind != YamlNode::Kind::kScalar) {
    return complain(node, key,
                    fmt::format("{} stands where {} belongs{}", kind_text(node), wanted_text(field),
                                type_hint(node, field)));
  }
  std::variant<Value, Refusal> reading = read_value(node, field);
  if (const Refusal* refusal = std::get_if<Refusal>(&reading)) return complain(node, key, refusal->what);
  store_value(std::get<Value>(reading), field, message, index);
  origins_.record(key, place(node));
}

std::string unknown_key(const std::string& name, const pb::Descriptor& section, const pb::Descriptor& root) {
  // A dotted key in YAML: "run.steps: 5".
  std::vector<std::string> full = all_keys(root);
  if (std::find(full.begin(), full.end(), name) != full.end()) {
    size_t dot = name.rfind('.');
    return fmt::format("unknown key; in YAML sections are nested: write {} under {}:", name.substr(dot + 1),
                       name.substr(0, dot));
  }
  std::vector<std::string> keys = keys_of(section);
  std::string meant = nearest(name, keys);
  std::vector<std::string> others = elsewhere(name, root);
  bool exact_elsewhere = !others.empty() && others[0].substr(others[0].rfind('.') + 1) == name;
  if (!meant.empty() && !exact_elsewhere) return fmt::format("unknown key; did you mean {}?", meant);
  if (!others.empty()) return fmt::format("unknown key here; did you mean {}?", fmt::join(others, " or "));
  return fmt::format("unknown key {}; the keys here are {}", shown(name), fmt::join(keys, ", "));
}

void complain_of_missing(const pb::Message& message, const std::string& key,
                         std::vector<Complaint>& complaints, const std::string& not_needed) {
  const pb::Reflection& read = *message.GetReflection();
  const pb::Descriptor& descriptor = *message.GetDescriptor();
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const FieldDescriptor& field = *descriptor.field(i);
    std::string path = join_key(key, field.name());
    int size = field.is_repeated() ? read.FieldSize(message, &field) : 0;
    bool is_set = field.is_repeated() ? size > 0 : read.HasField(message, &field);
    FieldFacts facts = facts_of(field);
    auto same_key = [&](const Complaint& known) {
      return known.key == path || known.key.starts_with(path + ".");
    };
    if (facts.needed && !is_set && field.name() != not_needed &&
        std::none_of(complaints.begin(), complaints.end(), same_key)) {
      complaints.push_back(
          Complaint{path, fmt::format("missing; it has no default: {}", facts.documentation)});
    }
    if (is_section(field)) {
      complain_of_missing(read.GetMessage(message, &field), path, complaints, facts.not_needed);
    }
    for (int item = 0; is_message(field) && item < size; ++item) {
      complain_of_missing(read.GetRepeatedMessage(message, &field, item), fmt::format("{}.{}", path, item),
                          complaints);
    }
  }
}

}  // namespace sextant::trainer
