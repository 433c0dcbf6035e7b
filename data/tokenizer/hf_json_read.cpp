#include <fmt/format.h>
#include <fmt/ranges.h>
#include <simdjson.h>

#include "data/tokenizer/hf_json.h"
#include "data/tokenizer/hf_vocabulary.h"
#include "data/tokenizer/json_field.h"
#include "data/tokenizer/split_pattern.h"
#include "parallel/base/error.h"

namespace sextant::data {
namespace {

// Far above any tokenizer in use (the largest have about 30 MB).
constexpr size_t kLongestFile = size_t{1} << 30;

void refuse_unless_empty(const JsonField& model, std::string_view name) {
  auto field = model.optional_member(name);
  if (field && (!field->is_string() || !field->text().empty())) {
    field->fail("is not supported: this reads byte-level BPE, where it is null or \"\"");
  }
}

void check_model(const JsonField& model) {
  if (auto type = model.optional_member("type"); type && type->text() != "BPE") {
    type->fail(fmt::format("'{}' is not supported; only BPE is", type->text()));
  }
  refuse_unless_empty(model, "continuing_subword_prefix");
  refuse_unless_empty(model, "end_of_word_suffix");
  refuse_unless_empty(model, "unk_token");
  if (model.flag("byte_fallback").value_or(false)) {
    model.member("byte_fallback").fail("true belongs to SentencePiece vocabularies, which are not supported");
  }
  if (auto dropout = model.optional_member("dropout"); dropout) {
    dropout->fail("is not supported: with it, the same text would give other ids each time; set it to null");
  }
}

void check_normalizer(const JsonField& root) {
  auto normalizer = root.optional_member("normalizer");
  if (!normalizer) return;
  JsonField type = normalizer->member("type");
  if (type.text() == "Sequence" && normalizer->member("normalizers").array().size() == 0) return;
  type.fail(fmt::format(
      "'{}' is not supported: this build encodes text as it stands; normalise the text beforehand "
      "and set normalizer to null",
      type.text()));
}

void check_decoder(const JsonField& root) {
  auto decoder = root.optional_member("decoder");
  if (!decoder) return;
  JsonField type = decoder->member("type");
  if (type.text() != "ByteLevel")
    type.fail(fmt::format("'{}' is not supported; only ByteLevel is", type.text()));
}

// Text that has to stand there literally, as an expression.
std::string literally(std::string_view text) {
  std::string expression;
  for (char c : text) {
    if (std::string_view("\\^$.[]|()?*+{}-/#").find(c) != std::string_view::npos) expression += '\\';
    expression += c;
  }
  return expression;
}

// A chain of pre-tokenizers becomes a chain of expressions; ByteLevel has to be the last.
class PreTokenizer {
 public:
  explicit PreTokenizer(TokenizerDefinition& definition) : definition_(definition) {}

  void read(const JsonField& root) {
    JsonField first = root.member("pre_tokenizer");
    read_one(first);
    if (!byte_level_) first.fail("has no ByteLevel: only byte-level BPE is supported");
  }

 private:
  void read_one(const JsonField& step) {
    JsonField type = step.member("type");
    if (byte_level_)
      step.fail(fmt::format("'{}' comes after ByteLevel, which has to be the last", type.text()));
    if (type.text() == "Sequence") return read_sequence(step.member("pretokenizers"));
    if (type.text() == "Split") return read_split(step);
    if (type.text() == "Digits") return read_digits(step);
    if (type.text() == "ByteLevel") return read_byte_level(step);
    type.fail(fmt::format("'{}' is not supported; Sequence, Split, Digits and ByteLevel are", type.text()));
  }

  void read_sequence(const JsonField& steps) {
    if (++depth_ > 8) steps.fail("Sequence stands inside Sequence too deeply");
    size_t index = 0;
    for (simdjson::dom::element step : steps.array()) read_one(steps.element(index++, step));
    --depth_;
  }

  void read_split(const JsonField& step) {
    JsonField behavior = step.member("behavior");
    bool inverted = step.flag("invert").value_or(false);
    // What is not matched is kept as pieces in both: nothing may get lost.
    bool isolated = behavior.text() == "Isolated";
    bool matches_kept = behavior.text() == "Removed" && inverted;
    if (!isolated && !matches_kept) {
      behavior.fail(
          fmt::format("'{}' with invert = {} is not supported; Isolated, and Removed with invert = true, are",
                      behavior.text(), inverted));
    }
    JsonField pattern = step.member("pattern");
    if (auto regex = pattern.optional_member("Regex"))
      return add_expression(*regex, std::string(regex->text()));
    JsonField text = pattern.member("String");
    add_expression(text, literally(text.text()));
  }

  void read_digits(const JsonField& step) {
    add_expression(step, step.flag("individual_digits").value_or(false) ? "\\p{N}" : "\\p{N}+");
  }

  void read_byte_level(const JsonField& step) {
    byte_level_ = true;
    if (step.flag("add_prefix_space").value_or(true)) {
      if (!definition_.expressions.empty()) {
        step.member("add_prefix_space").fail("true is supported only where ByteLevel comes first");
      }
      definition_.prefix_space = PrefixSpace::kAdded;
    }
    if (step.flag("use_regex").value_or(true)) add_expression(step, SplitPattern::named("gpt2").regex());
  }

  void add_expression(const JsonField& place, std::string expression) {
    if (definition_.expressions.size() == 64) place.fail("more than 64 expressions");
    definition_.expressions.push_back(std::move(expression));
  }

  TokenizerDefinition& definition_;
  bool byte_level_ = false;
  int depth_ = 0;
};

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
  check_normalizer(root);
  check_decoder(root);
  TokenizerDefinition definition;
  if (root.member("model").flag("ignore_merges").value_or(false))
    definition.whole_pieces = WholePieces::kLookUp;
  PreTokenizer(definition).read(root);
  HfVocabulary(root).fill(definition);
  return definition;
}

}  // namespace sextant::data
