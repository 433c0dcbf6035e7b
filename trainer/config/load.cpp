#include "trainer/config/load.h"

#include <fmt/format.h>

#include <cerrno>
#include <fstream>

#include "parallel/base/error.h"
#include "trainer/config/decode.h"
#include "trainer/config/overrides.h"
#include "trainer/config/yaml.h"

namespace sextant::trainer {
namespace {

namespace pb = google::protobuf;

// Far above any configuration, far below what would take a second or much memory to parse.
constexpr size_t kMostBytes = size_t{256} << 10;

std::string read_text(const std::filesystem::path& file) {
  std::string name = file.string();
  std::error_code ignored;
  require(!std::filesystem::is_directory(file, ignored), fmt::format("{}: a folder; give a YAML file", name));
  std::ifstream stream(file, std::ios::binary);
  if (!stream) fail_input(fmt::format("{}: cannot be read: {}", name, system_error_text(errno)));
  // No more than the limit is read, however long the file is or says it is.
  std::string text(kMostBytes + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  require(!stream.bad(), fmt::format("{}: cannot be read to its end", name));
  text.resize(static_cast<size_t>(stream.gcount()));
  require(text.size() <= kMostBytes,
          fmt::format("{}: longer than {} bytes; this is no configuration file", name, kMostBytes));
  return text;
}

void set_default(pb::Message& message, const pb::FieldDescriptor& field) {
  const pb::Reflection& write = *message.GetReflection();
  switch (field.cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_INT32:
      return write.SetInt32(&message, &field, field.default_value_int32());
    case pb::FieldDescriptor::CPPTYPE_INT64:
      return write.SetInt64(&message, &field, field.default_value_int64());
    case pb::FieldDescriptor::CPPTYPE_UINT32:
      return write.SetUInt32(&message, &field, field.default_value_uint32());
    case pb::FieldDescriptor::CPPTYPE_UINT64:
      return write.SetUInt64(&message, &field, field.default_value_uint64());
    case pb::FieldDescriptor::CPPTYPE_DOUBLE:
      return write.SetDouble(&message, &field, field.default_value_double());
    case pb::FieldDescriptor::CPPTYPE_FLOAT:
      return write.SetFloat(&message, &field, field.default_value_float());
    case pb::FieldDescriptor::CPPTYPE_BOOL:
      return write.SetBool(&message, &field, field.default_value_bool());
    case pb::FieldDescriptor::CPPTYPE_ENUM:
      return write.SetEnum(&message, &field, field.default_value_enum());
    case pb::FieldDescriptor::CPPTYPE_STRING:
      return write.SetString(&message, &field, field.default_value_string());
    case pb::FieldDescriptor::CPPTYPE_MESSAGE:
      return;
  }
}

}  // namespace

void load_config_text(const std::string& text, const std::string& name,
                      const std::vector<std::string>& overrides, pb::Message& message, Origins* origins) {
  Origins found(name);
  std::vector<Complaint> complaints;
  YamlNode root = parse_yaml(text, name, complaints);
  bool readable = root.kind != YamlNode::Kind::kRefused;
  if (root.kind == YamlNode::Kind::kNull) {
    complaints.push_back(Complaint{"", "holds no settings", Place{name, 1, 1}});
  } else {
    Decoder(*message.GetDescriptor(), name, found, complaints).message(root, "", message);
  }
  apply_overrides(overrides, message, found, complaints);
  // What is missing can not be told from a file that could not be read to its end.
  if (readable) complain_of_missing(message, "", complaints);
  check(complaints, found);
  if (origins != nullptr) *origins = std::move(found);
}

void load_config(const std::filesystem::path& file, const std::vector<std::string>& overrides,
                 pb::Message& message, Origins* origins) {
  load_config_text(read_text(file), file.string(), overrides, message, origins);
}

Run load_run(const std::filesystem::path& file, const std::vector<std::string>& overrides, Origins* origins) {
  Run run;
  load_config(file, overrides, run, origins);
  if (!run.run().has_folder()) run.mutable_run()->set_folder("runs/" + file.stem().string());
  return run;
}

void set_constant_defaults(pb::Message& message) {
  const pb::Descriptor& descriptor = *message.GetDescriptor();
  const pb::Reflection& read = *message.GetReflection();
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const pb::FieldDescriptor& field = *descriptor.field(i);
    bool holds_messages = field.cpp_type() == pb::FieldDescriptor::CPPTYPE_MESSAGE;
    if (field.is_repeated()) {
      int size = holds_messages ? read.FieldSize(message, &field) : 0;
      for (int item = 0; item < size; ++item)
        set_constant_defaults(*read.MutableRepeatedMessage(&message, &field, item));
    } else if (holds_messages) {
      set_constant_defaults(*read.MutableMessage(&message, &field));
    } else if (field.has_default_value() && !read.HasField(message, &field)) {
      set_default(message, field);
    }
  }
}

}  // namespace sextant::trainer
