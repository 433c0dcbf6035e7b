#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/tokenizer/tokenizer.h"
#include "trainer/evaluation/text_template.h"

namespace sextant::trainer {

// One line of a task's data.
struct SourceObject {
  ItemObject object;
  std::string origin;  // "FILE:LINE", "FILE: object N of the list" or "SHARD: document N"
};

// The first `limit` (0: all) objects of a file, packed (gzip, zstd) or not: an object a line, or one JSON
// array of objects. Empty lines are passed over. Throws Error(kInput) naming file and line of what is no
// object, and for a file without any.
std::vector<SourceObject> read_item_objects(const std::filesystem::path& path, int64_t limit);

// The first documents of token shards as objects {"text": ...}. Throws Error(kInput) where an id is not the
// tokenizer's.
std::vector<SourceObject> read_item_shards(const std::filesystem::path& prefix,
                                           const data::Tokenizer& tokenizer, int64_t limit);

}  // namespace sextant::trainer
