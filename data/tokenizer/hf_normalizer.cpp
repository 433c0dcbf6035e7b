#include <fmt/format.h>
#include <simdjson.h>

#include <string_view>

#include "data/tokenizer/hf_pipeline.h"
#include "data/tokenizer/word_mark.h"

namespace sextant::data {
namespace {

constexpr size_t kMostSteps = 64;

// The string that a Replace looks for; regular expressions are refused.
std::string_view replaced_text(const JsonField& step) {
  JsonField pattern = step.member("pattern");
  if (auto regex = pattern.optional_member("Regex")) {
    regex->fail("replacing what a regular expression finds is not supported; a String is");
  }
  JsonField text = pattern.member("String");
  if (text.text().empty()) text.fail("is empty");
  return text.text();
}

void read_step(const JsonField& step, TokenizerDefinition& definition, int depth) {
  using Kind = NormalizerStep::Kind;
  JsonField type = step.member("type");
  auto add = [&](Kind kind, std::string_view from, std::string_view to) {
    if (definition.normalizer.size() == kMostSteps) step.fail(fmt::format("more than {} steps", kMostSteps));
    definition.normalizer.push_back({kind, std::string(from), std::string(to)});
  };
  if (type.text() == "Sequence") {
    if (depth > 8) step.fail("Sequence stands inside Sequence too deeply");
    JsonField steps = step.member("normalizers");
    size_t index = 0;
    for (simdjson::dom::element value : steps.array()) {
      read_step(steps.element(index++, value), definition, depth + 1);
    }
    return;
  }
  if (type.text() == "NFC") return add(Kind::kNfc, "", "");
  if (type.text() == "NFD") return add(Kind::kNfd, "", "");
  if (type.text() == "NFKC") return add(Kind::kNfkc, "", "");
  if (type.text() == "NFKD") return add(Kind::kNfkd, "", "");
  if (type.text() == "Lowercase") return add(Kind::kLowercase, "", "");
  if (type.text() == "Prepend") return add(Kind::kPrepend, "", step.member("prepend").text());
  if (type.text() == "Replace")
    return add(Kind::kReplace, replaced_text(step), step.member("content").text());
  type.fail(
      fmt::format("'{}' is not supported; NFC, NFD, NFKC, NFKD, Lowercase, Prepend, Replace and Sequence are",
                  type.text()));
}

// The decoder of SentencePiece's vocabularies, step by step.
void read_character_step(const JsonField& step, TokenizerDefinition& definition) {
  JsonField type = step.member("type");
  if (type.text() == "ByteFallback" || type.text() == "Fuse") return;
  if (type.text() == "Replace") {
    bool usual = replaced_text(step) == kWordMark && step.member("content").text() == " ";
    if (!usual) step.fail(fmt::format("only {} to a space is supported", kWordMark));
    return;
  }
  if (type.text() == "Strip") {
    int64_t start = step.member("start").integer();
    bool usual = step.member("content").text() == " " && step.member("stop").integer() == 0;
    if (!usual || start < 0 || start > 1) step.fail("only one space at the start, or none, can be stripped");
    definition.characters.leading_space_is_mark = start == 1;
    return;
  }
  if (type.text() == "Metaspace") {
    auto scheme = step.optional_member("prepend_scheme");
    bool in_front = step.flag("add_prefix_space").value_or(true);
    definition.characters.leading_space_is_mark = scheme ? scheme->text() != "never" : in_front;
    return;
  }
  type.fail(fmt::format("'{}' is not supported; Replace, ByteFallback, Fuse, Strip and Metaspace are",
                        type.text()));
}

}  // namespace

void read_normalizer(const JsonField& root, TokenizerDefinition& definition) {
  if (auto normalizer = root.optional_member("normalizer")) read_step(*normalizer, definition, 0);
}

void read_decoder(const JsonField& root, TokenizerDefinition& definition) {
  auto decoder = root.optional_member("decoder");
  JsonField type = decoder ? decoder->member("type") : root;
  if (definition.alphabet == Alphabet::kBytes) {
    if (decoder && type.text() != "ByteLevel")
      type.fail(fmt::format("'{}' is not supported; with a ByteLevel pre-tokenizer, only ByteLevel is",
                            type.text()));
    return;
  }
  if (!decoder || type.text() == "ByteLevel") {
    root.member("model").fail(
        "without a ByteLevel pre-tokenizer, SentencePiece's decoder is needed (Replace, ByteFallback, Fuse, "
        "Strip; or Metaspace): only byte-level BPE and that are supported");
  }
  if (type.text() != "Sequence") return read_character_step(*decoder, definition);
  JsonField steps = decoder->member("decoders");
  size_t index = 0;
  for (simdjson::dom::element value : steps.array()) {
    read_character_step(steps.element(index++, value), definition);
  }
}

}  // namespace sextant::data
