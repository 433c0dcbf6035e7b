#pragma once

#include "data/tokenizer/definition.h"
#include "data/tokenizer/json_field.h"

namespace sextant::data {

// The parts of a tokenizer.json around its model; `root` is the whole file. Each fills its fields of the
// definition and fails on what it can not do the same way.

// Expressions, prefix space, and whether tokens are spelled bytes (ByteLevel) or characters.
void read_pre_tokenizer(const JsonField& root, TokenizerDefinition& definition);
// Unicode's normal forms, Lowercase, Prepend, Replace, and sequences of them.
void read_normalizer(const JsonField& root, TokenizerDefinition& definition);
// Checked, for it has to undo what encoding does; after the pre-tokenizer.
void read_decoder(const JsonField& root, TokenizerDefinition& definition);
// Of the post-processor what stands before a single text; other kinds than TemplateProcessing add nothing
// that a language model reads. After the vocabulary.
void read_post_processor(const JsonField& root, TokenizerDefinition& definition);

}  // namespace sextant::data
