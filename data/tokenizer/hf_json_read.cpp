#include <fmt/format.h>
#include <simdjson.h>

#include "data/tokenizer/hf_json.h"
#include "data/tokenizer/hf_pipeline.h"
#include "data/tokenizer/hf_vocabulary.h"
#include "data/tokenizer/json_field.h"
#include "parallel/base/error.h"

namespace sextant::data {
namespace {

// Far above any tokenizer in use (the largest have about 30 MB).
constexpr size_t kLongestFile = size_t{1} << 30;

void refuse_unless_empty(const JsonField& model, std::string_view name) {
  auto field = model.optional_member(name);
  if (field && (!field->is_string() || !field->text().empty())) {
    field->fail("is not supported: it has to be null or \"\"");
  }
}

void check_model(const JsonField& model) {
  if (auto type = model.optional_member("type"); type && type->text() != "BPE") {
    type->fail(fmt::format("'{}' is not supported; only BPE is", type->text()));
  }
  refuse_unless_empty(model, "continuing_subword_prefix");
  refuse_unless_empty(model, "end_of_word_suffix");
  if (auto dropout = model.optional_member("dropout"); dropout) {
    dropout->fail("is not supported: with it, the same text would give other ids each time; set it to null");
  }
}

// The key merge_order is our own, for tokenizers that were tiktoken's; others pass over it.
void read_model_settings(const JsonField& model, TokenizerDefinition& definition) {
  if (model.flag("ignore_merges").value_or(false)) definition.whole_pieces = WholePieces::kLookUp;
  if (auto order = model.optional_member("merge_order")) {
    if (order->text() != "result")
      order->fail(fmt::format("'{}' is not known; only 'result' is", order->text()));
    definition.merge_order = MergeOrder::kResult;
  }
  if (definition.alphabet == Alphabet::kBytes) {
    refuse_unless_empty(model, "unk_token");
    if (model.flag("byte_fallback").value_or(false)) {
      model.member("byte_fallback").fail("true does not go together with ByteLevel, where all text is bytes");
    }
    return;
  }
  definition.characters.byte_fallback = model.flag("byte_fallback").value_or(false);
  definition.characters.one_unknown_a_run = model.flag("fuse_unk").value_or(false);
}

}  // namespace

TokenizerDefinition read_tokenizer_json(std::string_view json, const std::string& origin) {
  if (json.size() > kLongestFile) {
    fail_input(fmt::format("{}: {} bytes are too many for a tokenizer.json", origin, json.size()));
  }
  simdjson::dom::parser parser;
  simdjson::padded_string padded(json);
  simdjson::dom::element element;
  if (auto error = parser.parse(padded).get(element); error != simdjson::SUCCESS) {
    fail_input(fmt::format("{}: is not JSON ({} bytes): {}; is it a whole tokenizer.json?", origin,
                           json.size(), simdjson::error_message(error)));
  }
  JsonField root(origin, "", element);
  if (auto version = root.optional_member("version"); version && version->text() != "1.0") {
    version->fail(fmt::format("'{}' is not supported; only 1.0 is", version->text()));
  }
  check_model(root.member("model"));
  TokenizerDefinition definition;
  read_normalizer(root, definition);
  read_pre_tokenizer(root, definition);
  read_decoder(root, definition);
  read_model_settings(root.member("model"), definition);
  HfVocabulary(root).fill(definition);
  read_post_processor(root, definition);
  return definition;
}

}  // namespace sextant::data
