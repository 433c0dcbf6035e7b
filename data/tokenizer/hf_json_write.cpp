#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <unordered_set>

#include "data/tokenizer/byte_alphabet.h"
#include "data/tokenizer/hf_json.h"

namespace sextant::data {
namespace {

using Json = nlohmann::ordered_json;

Json added_tokens(const TokenizerDefinition& definition) {
  Json list = Json::array();
  for (const AddedToken& token : definition.added) {
    list.push_back({{"id", token.id},
                    {"content", token.text},
                    {"single_word", false},
                    {"lstrip", false},
                    {"rstrip", false},
                    {"normalized", false},
                    {"special", token.kind == AddedToken::Kind::kSpecial}});
  }
  return list;
}

Json byte_level(const TokenizerDefinition& definition) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", definition.prefix_space == PrefixSpace::kAdded},
          {"trim_offsets", true},
          {"use_regex", false}};
}

Json pre_tokenizer(const TokenizerDefinition& definition) {
  Json steps = Json::array();
  for (const std::string& expression : definition.expressions) {
    steps.push_back({{"type", "Split"},
                     {"pattern", {{"Regex", expression}}},
                     {"behavior", "Isolated"},
                     {"invert", false}});
  }
  steps.push_back(byte_level(definition));
  return {{"type", "Sequence"}, {"pretokenizers", std::move(steps)}};
}

// One token and one merge a line, so that people can read and compare files.
class ModelText {
 public:
  explicit ModelText(const TokenizerDefinition& definition) : definition_(definition) {
    for (const AddedToken& token : definition.added) added_.insert(token.id);
  }

  std::string text() const {
    std::string out =
        "{\"type\": \"BPE\", \"dropout\": null, \"unk_token\": null, \"continuing_subword_prefix\": null, ";
    out += "\"end_of_word_suffix\": null, \"fuse_unk\": false, \"byte_fallback\": false, ";
    out += fmt::format("\"ignore_merges\": {},\n", definition_.whole_pieces == WholePieces::kLookUp);
    out += "    \"vocab\": {" + entries() + "\n    },\n    \"merges\": [" + merges() + "\n    ]}";
    return out;
  }

 private:
  std::string spelled(int32_t id) const {
    return Json(alphabet_.spell(definition_.tokens[static_cast<size_t>(id)])).dump();
  }

  std::string entries() const {
    std::string out;
    const char* comma = "";
    for (int32_t id = 0; id < static_cast<int32_t>(definition_.tokens.size()); ++id) {
      if (added_.contains(id)) continue;
      out += fmt::format("{}\n      {}: {}", comma, spelled(id), id);
      comma = ",";
    }
    return out;
  }

  std::string merges() const {
    std::string out;
    const char* comma = "";
    for (const Merge& merge : definition_.merges) {
      out += fmt::format("{}\n      [{}, {}]", comma, spelled(merge.left), spelled(merge.right));
      comma = ",";
    }
    return out;
  }

  const TokenizerDefinition& definition_;
  ByteAlphabet alphabet_;
  std::unordered_set<int32_t> added_;
};

}  // namespace

std::string write_tokenizer_json(const TokenizerDefinition& definition) {
  std::string out = "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n";
  out += "  \"added_tokens\": " + added_tokens(definition).dump() + ",\n";
  out += "  \"normalizer\": null,\n";
  out += "  \"pre_tokenizer\": " + pre_tokenizer(definition).dump() + ",\n";
  out += "  \"post_processor\": null,\n";
  Json decoder = {
      {"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}};
  out += "  \"decoder\": " + decoder.dump() + ",\n";
  out += "  \"model\": " + ModelText(definition).text() + "\n}\n";
  return out;
}

}  // namespace sextant::data
