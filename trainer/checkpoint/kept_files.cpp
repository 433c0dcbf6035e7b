#include "trainer/checkpoint/kept_files.h"

#include <algorithm>

namespace sextant::trainer {

const std::vector<std::string>& kept_file_names() {
  static const std::vector<std::string> names{
      "config.json",         "generation_config.json",  "tokenizer.json",    "tokenizer_config.json",
      "chat_template.jinja", "special_tokens_map.json", "added_tokens.json", "tokenizer.model",
  };
  return names;
}

std::map<std::string, std::string> kept_files(const CheckpointReader& checkpoint) {
  std::map<std::string, std::string> kept;
  for (const Manifest::File& file : checkpoint.manifest().files()) {
    const auto& names = kept_file_names();
    if (std::find(names.begin(), names.end(), file.name()) != names.end()) {
      kept[file.name()] = checkpoint.side_file(file.name());
    }
  }
  return kept;
}

}  // namespace sextant::trainer
