#include <fmt/format.h>

#include "data/tokenizer/hf_pipeline.h"

namespace sextant::data {
namespace {

// The ids that a template has for one of its special tokens.
void add_special(const JsonField& processor, const JsonField& piece, TokenizerDefinition& definition) {
  JsonField name = piece.member("id");
  JsonField ids = processor.member("special_tokens").member(name.text()).member("ids");
  size_t index = 0;
  for (simdjson::dom::element value : ids.array()) {
    JsonField entry = ids.element(index++, value);
    int64_t id = entry.integer();
    auto count = static_cast<int64_t>(definition.tokens.size());
    if (id < 0 || id >= count) entry.fail(fmt::format("{} is no id; they run from 0 to {}", id, count - 1));
    definition.opening.push_back(static_cast<int32_t>(id));
  }
}

// What "single" has before its text.
void read_template(const JsonField& processor, TokenizerDefinition& definition) {
  JsonField single = processor.member("single");
  size_t index = 0;
  for (simdjson::dom::element value : single.array()) {
    JsonField piece = single.element(index++, value);
    auto special = piece.optional_member("SpecialToken");
    if (!special) return;
    add_special(processor, *special, definition);
  }
}

void read_processor(const JsonField& processor, TokenizerDefinition& definition) {
  std::string_view type = processor.member("type").text();
  if (type == "TemplateProcessing") return read_template(processor, definition);
  if (type != "Sequence") return;
  JsonField list = processor.member("processors");
  size_t index = 0;
  for (simdjson::dom::element value : list.array()) read_processor(list.element(index++, value), definition);
}

}  // namespace

void read_post_processor(const JsonField& root, TokenizerDefinition& definition) {
  if (auto processor = root.optional_member("post_processor")) read_processor(*processor, definition);
}

}  // namespace sextant::data
