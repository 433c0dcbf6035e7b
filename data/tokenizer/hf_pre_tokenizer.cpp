#include <fmt/format.h>
#include <simdjson.h>

#include <string>
#include <string_view>
#include <utility>

#include "data/tokenizer/hf_pipeline.h"
#include "data/tokenizer/split_pattern.h"
#include "data/tokenizer/word_mark.h"

namespace sextant::data {
namespace {

// Metaspace with split: a piece starts at every mark.
constexpr std::string_view kEachMark = "\xe2\x96\x81[^\xe2\x96\x81]*|[^\xe2\x96\x81]+";

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
    auto given = root.optional_member("pre_tokenizer");
    if (!given) {
      definition_.alphabet = Alphabet::kCharacters;
      return;
    }
    const JsonField& first = *given;
    read_one(first);
    if (!byte_level_ && !words_) {
      first.fail(
          "has neither ByteLevel nor Metaspace: tokens must be spelled as bytes or in SentencePiece's way");
    }
    if (!byte_level_) definition_.alphabet = Alphabet::kCharacters;
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
    if (type.text() == "Metaspace") return read_metaspace(step);
    type.fail(fmt::format("'{}' is not supported; Sequence, Split, Digits, ByteLevel and Metaspace are",
                          type.text()));
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

  void read_metaspace(const JsonField& step) {
    using Mark = CharacterSettings::Mark;
    words_ = true;
    if (!definition_.expressions.empty()) step.fail("Metaspace is supported only where it comes first");
    if (step.member("replacement").text() != kWordMark) {
      step.member("replacement").fail(fmt::format("only {} is supported", kWordMark));
    }
    auto scheme = step.optional_member("prepend_scheme");
    bool in_front = step.flag("add_prefix_space").value_or(true);
    std::string_view where = scheme ? scheme->text() : in_front ? "always" : "never";
    if (where != "always" && where != "first" && where != "never")
      scheme->fail(fmt::format("'{}' is not supported; always, first and never are", where));
    definition_.characters.mark = where == "always"  ? Mark::kAlways
                                  : where == "first" ? Mark::kFirst
                                                     : Mark::kNever;
    if (step.flag("split").value_or(true)) add_expression(step, std::string(kEachMark));
  }

  void add_expression(const JsonField& place, std::string expression) {
    if (definition_.expressions.size() == 64) place.fail("more than 64 expressions");
    definition_.expressions.push_back(std::move(expression));
  }

  TokenizerDefinition& definition_;
  bool byte_level_ = false, words_ = false;
  int depth_ = 0;
};

}  // namespace

void read_pre_tokenizer(const JsonField& root, TokenizerDefinition& definition) {
  PreTokenizer(definition).read(root);
}

}  // namespace sextant::data
