#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <vector>

#include "trainer/config/complaint.h"
#include "trainer/config/yaml.h"

namespace sextant::trainer {

// Puts YAML into messages by their descriptors: names, types, ranges, enums, shorthands. Whatever does not
// fit is complained of and left unset, and the rest is still read.
class Decoder {
 public:
  // `root` is the whole configuration's message, where a misplaced key may belong; `file` names the source.
  // Both references must outlive the decoder.
  Decoder(const google::protobuf::Descriptor& root, std::string file, Origins& origins,
          std::vector<Complaint>& complaints);

  // Adds what `node` says to `message`, which stands at the key path `key` ("" at the root).
  void message(const YamlNode& node, const std::string& key, google::protobuf::Message& message);
  // Sets one field; a repeated one is replaced as a whole.
  void field(const YamlNode& node, const std::string& key, const google::protobuf::FieldDescriptor& field,
             google::protobuf::Message& message);
  // Replaces one element of a repeated field.
  void element(const YamlNode& node, const std::string& key, const google::protobuf::FieldDescriptor& field,
               google::protobuf::Message& message, int index);

 private:
  void scalar(const YamlNode& node, const std::string& key, const google::protobuf::FieldDescriptor& field,
              google::protobuf::Message& message, int index);
  void list(const YamlNode& node, const std::string& key, const google::protobuf::FieldDescriptor& field,
            google::protobuf::Message& message);
  void complain(const YamlNode& node, const std::string& key, std::string what);
  Place place(const YamlNode& node) const { return Place{file_, node.line, node.column}; }

  const google::protobuf::Descriptor& root_;
  std::string file_;
  Origins& origins_;
  std::vector<Complaint>& complaints_;
};

// What to say of a key that `section` has not: the nearest of its keys, or the section where the key belongs,
// or all of the section's keys.
std::string unknown_key(const std::string& name, const google::protobuf::Descriptor& section,
                        const google::protobuf::Descriptor& root);

// Complains of every needed field that is still missing, but for the one named `not_needed`.
void complain_of_missing(const google::protobuf::Message& message, const std::string& key,
                         std::vector<Complaint>& complaints, const std::string& not_needed = "");

}  // namespace sextant::trainer
