#include "trainer/config/reference.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <vector>

#include "trainer/config/complaint.h"
#include "trainer/config/field.h"
#include "trainer/config/value.h"

namespace sextant::trainer {
namespace {

namespace pb = google::protobuf;
using pb::FieldDescriptor;

// Text for a cell of a table.
std::string cell(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '|') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

std::string type_text(const FieldDescriptor& field) {
  std::string one;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      one = "section";
      break;
    case FieldDescriptor::CPPTYPE_ENUM:
      one = "choice";
      break;
    default:
      one = wanted_text(field);
      break;
  }
  for (const char* article : {"a ", "an "}) {
    if (one.starts_with(article)) one = one.substr(std::string(article).size());
  }
  return field.is_repeated() ? fmt::format("list of {}", one == "text" ? one : one + "s") : one;
}

std::string default_cell(const FieldDescriptor& field, const FieldFacts& facts) {
  if (auto constant = default_text(field)) return fmt::format("`{}`", *constant);
  if (!facts.default_is.empty()) return facts.default_is;
  if (facts.needed) return "**must be given**";
  return field.is_repeated() ? "`[]`" : "none";
}

class Page {
 public:
  std::string text;

  void section(const pb::Descriptor& message, const std::string& key, const std::string& heading) {
    text += fmt::format("\n{}\n\n{}\n\n", heading, documentation_of(message));
    text += "| key | type | default | range | meaning |\n|---|---|---|---|---|\n";
    for (int i = 0; i < message.field_count(); ++i) {
      const FieldDescriptor& field = *message.field(i);
      if (!is_section(field)) row(field, join_key(key, field.name()));
    }
    for (int i = 0; i < message.field_count(); ++i)
      choices(*message.field(i), join_key(key, message.field(i)->name()));
    items(message, key);
    for (int i = 0; i < message.field_count(); ++i) {
      const FieldDescriptor& field = *message.field(i);
      std::string inner = join_key(key, field.name());
      if (is_section(field)) section(*field.message_type(), inner, fmt::format("### `{}`", inner));
    }
  }

  // A stage's own sections, of which some may be told already.
  void stage(const pb::Descriptor& message, std::set<std::string>& told) {
    std::string shared;
    for (int i = 0; i < message.field_count(); ++i) {
      const std::string& name = message.field(i)->name();
      if (told.contains(name)) shared += fmt::format("{}`{}`", shared.empty() ? "" : ", ", name);
    }
    text += fmt::format("\n# `{}`\n\n{} Beside its own sections it has {} as above.\n", message.name(),
                        documentation_of(message), shared);
    for (int i = 0; i < message.field_count(); ++i) {
      const FieldDescriptor& field = *message.field(i);
      if (!told.insert(field.name()).second) continue;
      section(*field.message_type(), field.name(), fmt::format("## `{}`", field.name()));
    }
  }

 private:
  void row(const FieldDescriptor& field, const std::string& key) {
    FieldFacts facts = facts_of(field);
    std::string unit = facts.unit.empty() ? "" : ", " + facts.unit;
    text += fmt::format("| `{}` | {} | {} | {} | {} |\n", key, cell(type_text(field) + unit),
                        cell(default_cell(field, facts)), cell(range_text(facts)), cell(facts.documentation));
  }

  void choices(const FieldDescriptor& field, const std::string& key) {
    if (field.cpp_type() != FieldDescriptor::CPPTYPE_ENUM) return;
    text += fmt::format("\nChoices of `{}`:\n\n", key);
    for (int i = 0; i < field.enum_type()->value_count(); ++i) {
      const pb::EnumValueDescriptor& value = *field.enum_type()->value(i);
      std::string meaning = documentation_of(value);
      text += meaning.empty() ? fmt::format("- `{}`\n", name_of(value))
                              : fmt::format("- `{}`: {}\n", name_of(value), meaning);
    }
  }

  // The entries of the message's lists; lists of one kind share a table.
  void items(const pb::Descriptor& message, const std::string& key) {
    std::vector<const pb::Descriptor*> kinds;
    std::map<const pb::Descriptor*, std::string> lists;
    for (int i = 0; i < message.field_count(); ++i) {
      const FieldDescriptor& field = *message.field(i);
      if (!field.is_repeated() || field.message_type() == nullptr) continue;
      std::string& names = lists[field.message_type()];
      if (names.empty()) kinds.push_back(field.message_type());
      names += fmt::format("{}`{}`", names.empty() ? "" : " and ", join_key(key, field.name()));
    }
    for (const pb::Descriptor* kind : kinds) {
      section(*kind, "", fmt::format("### Entries of {}", lists[kind]));
      if (const FieldDescriptor* lone = shorthand_of(*kind)) {
        text += fmt::format("\nA lone text stands for an entry with that `{}`.\n", lone->name());
      }
    }
  }
};

}  // namespace

std::string reference_markdown(const pb::Descriptor& root, const Stages& stages, const Stages& others) {
  Page page;
  page.text =
      "<!-- Made by `sextant config reference`; change the .proto files instead. -->\n"
      "# Configuration\n\n" +
      documentation_of(root) +
      " Any key can also be given on the command line, as `key.path=value`, over what the file\n"
      "says; entries of lists are named by index, as in `data.train.0.weight=2`. `sextant config show "
      "FILE.yaml`\n"
      "prints every value with its origin.\n\n"
      "Numbers are decimal (`1e-3` where fractions are allowed), booleans are `true` and `false`. Unknown "
      "and\n"
      "repeated keys, anchors, aliases, tags, merge keys and second documents are errors. A first line\n"
      "`# yaml-language-server: $schema=../sextant.schema.json` lets editors complete the keys.\n";
  for (int i = 0; i < root.field_count(); ++i) {
    const FieldDescriptor& field = *root.field(i);
    if (is_section(field))
      page.section(*field.message_type(), field.name(), fmt::format("## `{}`", field.name()));
  }
  std::set<std::string> told;
  for (int i = 0; i < root.field_count(); ++i) told.insert(root.field(i)->name());
  for (const pb::Descriptor* stage : stages) page.stage(*stage, told);
  for (const pb::Descriptor* other : others) page.section(*other, "", fmt::format("# `{}`", other->name()));
  return page.text;
}

}  // namespace sextant::trainer
