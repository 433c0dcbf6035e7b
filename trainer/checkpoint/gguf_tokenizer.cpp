#include "trainer/checkpoint/gguf_tokenizer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>

#include "parallel/base/error.h"

namespace sextant::trainer {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kLlama3 = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
                                     R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2 = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
                                    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// What tokenizer.ggml.pre names: how text is cut before merging.
struct PreTokenizer {
  std::string_view name;
  std::string_view split;  // an expression before ByteLevel; empty: ByteLevel's own, which is GPT-2's
  enum class Digits { kTogether, kAlone } digits = Digits::kTogether;
  enum class Form { kAsIs, kNfc } form = Form::kAsIs;
  // Llama 3's: pieces that are tokens are not merged, and texts begin with the opening token unless the file
  // says not.
  enum class Family { kOther, kLikeLlama3 } family = Family::kOther;
};

using Digits = PreTokenizer::Digits;
using Form = PreTokenizer::Form;
using Family = PreTokenizer::Family;

constexpr std::array<PreTokenizer, 9> kPreTokenizers{{
    {"gpt-2", ""},
    {"gpt2", ""},
    {"smollm", "", Digits::kAlone},
    {"llama-bpe", kLlama3, Digits::kTogether, Form::kAsIs, Family::kLikeLlama3},
    {"llama3", kLlama3, Digits::kTogether, Form::kAsIs, Family::kLikeLlama3},
    {"llama-v3", kLlama3, Digits::kTogether, Form::kAsIs, Family::kLikeLlama3},
    {"dbrx", kLlama3},
    {"smaug-bpe", kLlama3},
    {"qwen2", kQwen2, Digits::kTogether, Form::kNfc},
}};

const PreTokenizer& pre_tokenizer(const GgufFile& file) {
  std::string_view name = file.text("tokenizer.ggml.pre");
  std::vector<std::string_view> known;
  for (const PreTokenizer& candidate : kPreTokenizers) {
    if (candidate.name == name) return candidate;
    known.push_back(candidate.name);
  }
  file.fail("tokenizer.ggml.pre",
            fmt::format("'{:.80}' is not known; these are: {}", name, fmt::join(known, ", ")));
}

Json pre_tokenizer_json(const PreTokenizer& pre) {
  Json steps = Json::array();
  if (pre.digits == Digits::kAlone) {
    steps.push_back({{"type", "Digits"}, {"individual_digits", true}});
  }
  if (!pre.split.empty()) {
    steps.push_back({{"type", "Split"},
                     {"pattern", {{"Regex", pre.split}}},
                     {"behavior", "Isolated"},
                     {"invert", false}});
  }
  steps.push_back({{"type", "ByteLevel"},
                   {"add_prefix_space", false},
                   {"trim_offsets", true},
                   {"use_regex", pre.split.empty()}});
  return {{"type", "Sequence"}, {"pretokenizers", std::move(steps)}};
}

// The kinds of tokens, as tokenizer.ggml.token_type numbers them.
constexpr int64_t kControl = 3, kUserDefined = 4;

Json added_tokens(const std::vector<std::string_view>& tokens, const std::vector<int64_t>& kinds) {
  Json list = Json::array();
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (kinds[id] != kControl && kinds[id] != kUserDefined) continue;
    list.push_back({{"id", id},
                    {"content", tokens[id]},
                    {"single_word", false},
                    {"lstrip", false},
                    {"rstrip", false},
                    {"normalized", false},
                    {"special", kinds[id] == kControl}});
  }
  return list;
}

Json byte_level_decoder() {
  return {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}};
}

std::optional<int64_t> special_id(const GgufFile& file, const char* name, size_t tokens) {
  return file.integer_if_given(fmt::format("tokenizer.ggml.{}_token_id", name), 0,
                               static_cast<int64_t>(tokens) - 1);
}

// What puts the opening token before every text, where llama.cpp does.
Json post_processor_json(const GgufFile& file, const PreTokenizer& pre,
                         const std::vector<std::string_view>& tokens) {
  std::optional<int64_t> id = special_id(file, "bos", tokens.size());
  if (!id || !file.flag_or("tokenizer.ggml.add_bos_token", pre.family == Family::kLikeLlama3)) return nullptr;
  std::string_view text = tokens[static_cast<size_t>(*id)];
  auto sequence = [](const char* name, int type) {
    return Json{{"Sequence", {{"id", name}, {"type_id", type}}}};
  };
  auto opening = [&](int type) { return Json{{"SpecialToken", {{"id", text}, {"type_id", type}}}}; };
  Json first = Json::array({opening(0), sequence("A", 0)}), both = first;
  both.push_back(opening(1));
  both.push_back(sequence("B", 1));
  Json special{{text, {{"id", text}, {"ids", {*id}}, {"tokens", {text}}}}};
  return {{"type", "TemplateProcessing"}, {"single", first}, {"pair", both}, {"special_tokens", special}};
}

// Texts of a file may hold anything; what is no UTF-8 is replaced.
std::string text_of(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string quoted(std::string_view text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

void refuse_twins(const GgufFile& file, std::vector<std::string_view> tokens) {
  std::sort(tokens.begin(), tokens.end());
  auto twin = std::adjacent_find(tokens.begin(), tokens.end());
  if (twin == tokens.end()) return;
  file.fail("tokenizer.ggml.tokens", fmt::format("'{:.80}' stands there twice", *twin));
}

// The long part of a tokenizer.json, and its end. As text at once: a tree of it would take many times its
// size.
std::string model_json(const PreTokenizer& pre, const std::vector<std::string_view>& tokens,
                       const std::vector<std::string_view>& merges) {
  std::string text = fmt::format(
      ",\n \"model\": {{\n  \"type\": \"BPE\",\n  \"dropout\": null,\n  \"unk_token\": null,\n"
      "  \"continuing_subword_prefix\": null,\n  \"end_of_word_suffix\": null,\n  \"fuse_unk\": false,\n"
      "  \"byte_fallback\": false,\n  \"ignore_merges\": {},\n  \"vocab\": {{",
      pre.family == Family::kLikeLlama3);
  for (size_t id = 0; id < tokens.size(); ++id) {
    text += fmt::format("{}\n   {}: {}", id == 0 ? "" : ",", quoted(tokens[id]), id);
  }
  text += "\n  },\n  \"merges\": [";
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    text += fmt::format("{}\n   {}", rank == 0 ? "" : ",", quoted(merges[rank]));
  }
  return text + "\n  ]\n }\n}\n";
}

}  // namespace

std::string gguf_tokenizer_json(const GgufFile& file) {
  if (file.text("tokenizer.ggml.model") != "gpt2") {
    file.fail("tokenizer.ggml.model",
              fmt::format("'{:.80}' is not supported; only byte-level BPE ('gpt2') is",
                          file.text("tokenizer.ggml.model")));
  }
  const PreTokenizer& pre = pre_tokenizer(file);
  std::vector<std::string_view> tokens = file.texts("tokenizer.ggml.tokens");
  std::vector<int64_t> kinds(tokens.size(), 1);
  if (file.find("tokenizer.ggml.token_type") != nullptr) kinds = file.integers("tokenizer.ggml.token_type");
  if (kinds.size() != tokens.size()) {
    file.fail("tokenizer.ggml.token_type",
              fmt::format("{} kinds for {} tokens", kinds.size(), tokens.size()));
  }
  refuse_twins(file, tokens);
  bool nfc = pre.form == Form::kNfc;
  Json json{{"version", "1.0"},
            {"truncation", nullptr},
            {"padding", nullptr},
            {"added_tokens", added_tokens(tokens, kinds)},
            {"normalizer", nfc ? Json{{"type", "NFC"}} : Json()},
            {"pre_tokenizer", pre_tokenizer_json(pre)},
            {"post_processor", post_processor_json(file, pre, tokens)},
            {"decoder", byte_level_decoder()}};
  std::string text = text_of(json, 1);
  text.resize(text.rfind('}'));
  return text + model_json(pre, tokens, file.texts("tokenizer.ggml.merges"));
}

std::map<std::string, std::string> gguf_tokenizer_files(const GgufFile& file) {
  std::vector<std::string_view> tokens = file.texts("tokenizer.ggml.tokens");
  Json tokenizer{{"tokenizer_class", "PreTrainedTokenizerFast"}, {"clean_up_tokenization_spaces", false}};
  Json generation = Json::object();
  for (const auto& [theirs, ours] :
       {std::pair{"bos", "bos"}, {"eos", "eos"}, {"padding", "pad"}, {"unknown", "unk"}}) {
    std::optional<int64_t> id = special_id(file, theirs, tokens.size());
    if (!id) continue;
    tokenizer[fmt::format("{}_token", ours)] = tokens[static_cast<size_t>(*id)];
    if (std::string_view(ours) != "unk") generation[fmt::format("{}_token_id", ours)] = *id;
  }
  tokenizer["add_bos_token"] = file.flag_or("tokenizer.ggml.add_bos_token", false);
  if (file.find("tokenizer.chat_template") != nullptr) {
    tokenizer["chat_template"] = file.text("tokenizer.chat_template");
  }
  return {{"tokenizer_config.json", text_of(tokenizer, 2)},
          {"generation_config.json", text_of(generation, 2)}};
}

}  // namespace sextant::trainer
