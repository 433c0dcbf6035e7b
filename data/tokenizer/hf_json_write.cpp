#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <unordered_set>

#include "data/tokenizer/byte_alphabet.h"
#include "data/tokenizer/hf_json.h"
#include "data/tokenizer/word_mark.h"

namespace sextant::data {
namespace {

using Json = nlohmann::ordered_json;

Json added_tokens(const TokenizerDefinition& definition) {
  Json list = Json::array();
  for (const AddedToken& token : definition.added) {
    list.push_back({{"id", token.id},
                    {"content", token.text},
                    {"single_word", token.single_word},
                    {"lstrip", token.lstrip},
                    {"rstrip", token.rstrip},
                    {"normalized", token.normalized},
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

Json metaspace(const TokenizerDefinition& definition) {
  using Mark = CharacterSettings::Mark;
  Mark mark = definition.characters.mark;
  return {{"type", "Metaspace"},
          {"replacement", kWordMark},
          {"prepend_scheme", mark == Mark::kAlways  ? "always"
                             : mark == Mark::kFirst ? "first"
                                                    : "never"},
          {"split", false}};
}

// What Metaspace would split stands among the expressions.
Json pre_tokenizer(const TokenizerDefinition& definition) {
  bool characters = definition.alphabet == Alphabet::kCharacters;
  Json steps = Json::array();
  if (definition.characters.mark != CharacterSettings::Mark::kNone) steps.push_back(metaspace(definition));
  for (const std::string& expression : definition.expressions) {
    steps.push_back({{"type", "Split"},
                     {"pattern", {{"Regex", expression}}},
                     {"behavior", "Isolated"},
                     {"invert", false}});
  }
  if (!characters) steps.push_back(byte_level(definition));
  if (steps.empty()) return nullptr;
  return {{"type", "Sequence"}, {"pretokenizers", std::move(steps)}};
}

Json normalizer_step(const NormalizerStep& step) {
  using Kind = NormalizerStep::Kind;
  switch (step.kind) {
    case Kind::kNfc:
      return {{"type", "NFC"}};
    case Kind::kNfd:
      return {{"type", "NFD"}};
    case Kind::kNfkc:
      return {{"type", "NFKC"}};
    case Kind::kNfkd:
      return {{"type", "NFKD"}};
    case Kind::kLowercase:
      return {{"type", "Lowercase"}};
    case Kind::kPrepend:
      return {{"type", "Prepend"}, {"prepend", step.to}};
    case Kind::kReplace:
      break;
  }
  return {{"type", "Replace"}, {"pattern", {{"String", step.from}}}, {"content", step.to}};
}

Json normalizer(const TokenizerDefinition& definition) {
  if (definition.normalizer.empty()) return nullptr;
  if (definition.normalizer.size() == 1) return normalizer_step(definition.normalizer.front());
  Json steps = Json::array();
  for (const NormalizerStep& step : definition.normalizer) steps.push_back(normalizer_step(step));
  return {{"type", "Sequence"}, {"normalizers", std::move(steps)}};
}

Json post_processor(const TokenizerDefinition& definition) {
  if (definition.opening.empty()) return nullptr;
  Json single = Json::array(), special = Json::object();
  for (int32_t id : definition.opening) {
    const std::string& text = definition.tokens[static_cast<size_t>(id)];
    single.push_back({{"SpecialToken", {{"id", text}, {"type_id", 0}}}});
    special[text] = {{"id", text}, {"ids", {id}}, {"tokens", {text}}};
  }
  single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  Json pair = single;
  pair.push_back({{"Sequence", {{"id", "B"}, {"type_id", 1}}}});
  return {{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", special}};
}

Json decoder(const TokenizerDefinition& definition) {
  if (definition.alphabet == Alphabet::kBytes) {
    return {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}};
  }
  Json steps = Json::array({{{"type", "Replace"}, {"pattern", {{"String", kWordMark}}}, {"content", " "}},
                            {{"type", "ByteFallback"}},
                            {{"type", "Fuse"}}});
  if (definition.characters.leading_space_is_mark) {
    steps.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  }
  return {{"type", "Sequence"}, {"decoders", std::move(steps)}};
}

// One token and one merge a line, so that people can read and compare files.
class ModelText {
 public:
  explicit ModelText(const TokenizerDefinition& definition) : definition_(definition) {
    for (const AddedToken& token : definition.added) apart_.insert(token.id);
    // What merging makes or starts from stays in the vocabulary too.
    for (const Merge& merge : definition.merges) {
      for (int32_t id : {merge.left, merge.right, merge.result}) apart_.erase(id);
    }
    if (definition.characters.unknown) apart_.erase(*definition.characters.unknown);
  }

  std::string text() const {
    const CharacterSettings& set = definition_.characters;
    std::string out = "{\"type\": \"BPE\", \"dropout\": null, \"unk_token\": ";
    out += set.unknown ? spelled(*set.unknown) : "null";
    out += ", \"continuing_subword_prefix\": null, \"end_of_word_suffix\": null, ";
    out += fmt::format("\"fuse_unk\": {}, \"byte_fallback\": {}, \"ignore_merges\": {},\n",
                       set.one_unknown_a_run, set.byte_fallback,
                       definition_.whole_pieces == WholePieces::kLookUp);
    if (definition_.merge_order == MergeOrder::kResult) out += "    \"merge_order\": \"result\",\n";
    out += "    \"vocab\": {" + entries() + "\n    },\n    \"merges\": [" + merges() + "\n    ]}";
    return out;
  }

 private:
  std::string spelled(int32_t id) const {
    const std::string& token = definition_.tokens[static_cast<size_t>(id)];
    return Json(definition_.alphabet == Alphabet::kBytes ? alphabet_.spell(token) : token).dump();
  }

  std::string entries() const {
    std::string out;
    const char* comma = "";
    for (int32_t id = 0; id < static_cast<int32_t>(definition_.tokens.size()); ++id) {
      if (apart_.contains(id) || definition_.tokens[static_cast<size_t>(id)].empty()) continue;
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
  std::unordered_set<int32_t> apart_;  // added tokens that stand in the other list alone
};

}  // namespace

std::string write_tokenizer_json(const TokenizerDefinition& definition) {
  std::string out = "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n";
  out += "  \"added_tokens\": " + added_tokens(definition).dump() + ",\n";
  out += "  \"normalizer\": " + normalizer(definition).dump() + ",\n";
  out += "  \"pre_tokenizer\": " + pre_tokenizer(definition).dump() + ",\n";
  out += "  \"post_processor\": " + post_processor(definition).dump() + ",\n";
  out += "  \"decoder\": " + decoder(definition).dump() + ",\n";
  out += "  \"model\": " + ModelText(definition).text() + "\n}\n";
  return out;
}

}  // namespace sextant::data
