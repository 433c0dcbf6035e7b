#pragma once

#include <filesystem>
#include <string>

#include "trainer/checkpoint/foreign.h"

namespace sextant::trainer {

// Opens a model of another program: a Hugging Face folder, a .gguf file or a .bin of llama2.c, told apart by
// what they are. Reads headers only. Throws Error(kInput) naming the file and what is missing, damaged or not
// supported.
ForeignModel open_foreign_model(const std::filesystem::path& source);

// A Hugging Face folder: config.json, model.safetensors or its shards, tokenizer and generation files.
ForeignModel open_hugging_face(const std::filesystem::path& folder);

// A GGUF file; quantised weights become fp32, llama.cpp's order of rotary rows becomes ours.
ForeignModel open_gguf(const std::filesystem::path& path);

// A .bin of llama2.c in its first format, which holds no tokenizer.
ForeignModel open_llama2c(const std::filesystem::path& path);

// Adds a note when the tokenizer is missing, not one that we read, or larger than the model's embedding.
void note_tokenizer(ForeignModel& model);

// Writes the model as a checkpoint of step 0 (docs/checkpoint_format.md), one tensor in memory at a time, in
// the types in which it came. `folder` must not exist or be empty; it appears when everything is written.
// `program` goes into the manifest.
void write_imported(const ForeignModel& model, const std::filesystem::path& folder,
                    const std::string& program);

}  // namespace sextant::trainer
