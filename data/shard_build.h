#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "data/documents.h"
#include "data/tokenizer/tokenizer.h"

namespace sextant::data {

// What stands behind each document's ids.
enum class DocumentEnd {
  kEndOfText,  // the tokenizer's end-of-text id, when it has one
  kNothing,
};

struct BuildSettings {
  std::filesystem::path output;  // PREFIX of the .bin, .idx and .sums
  DocumentSettings documents;
  DocumentEnd end = DocumentEnd::kEndOfText;
  int threads = 0;  // that encode; 0: one a core
  // Share of the documents, chosen by a hash of their number, that go to PREFIX_valid instead. 0: none.
  double valid_fraction = 0;
};

struct BuildProgress {
  uint64_t bytes_read = 0;   // of the files as they lie on disk
  uint64_t bytes_total = 0;  // 0 when a pipe is among them
  uint64_t text_bytes = 0;   // unpacked text encoded so far
  int64_t documents = 0;
  int64_t tokens = 0;
  int64_t valid_documents = 0, valid_tokens = 0;  // of these, in PREFIX_valid
};

// Reads the files' documents in order, encodes them on all cores and writes a shard: the same bytes whatever
// the number of threads. Memory stays constant apart from the shard's index and the longest document.
// `report` is called in the caller's thread after every few documents. Throws Error(kInput) for a file that
// can not be read, Error(kEnvironment) for one that can not be written; no shard stands under the prefix then
// that did not before.
BuildProgress build_shards(const std::vector<std::filesystem::path>& files, const Tokenizer& tokenizer,
                           const BuildSettings& settings,
                           const std::function<void(const BuildProgress&)>& report);

}  // namespace sextant::data
