#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "data/durable_file.h"
#include "data/shard_checksums.h"
#include "data/shard_format.h"

namespace sextant::data {

// A tokenized corpus in Megatron's .bin/.idx format, mapped and read-only: the sequences' ids one after the
// other as one stream of tokens() ids, and where each document begins in it. A document may be several
// sequences. Every number of the index is checked on opening. Const methods may be called by any number of
// threads at once.
class TokenShard {
 public:
  // Opens PREFIX.bin, PREFIX.idx and, when it is there, PREFIX.sums. Throws Error(kInput) naming file, byte
  // offset and remedy.
  explicit TokenShard(const std::filesystem::path& prefix);
  TokenShard(const TokenShard&) = delete;
  TokenShard& operator=(const TokenShard&) = delete;

  const std::filesystem::path& prefix() const { return prefix_; }
  TokenType type() const { return type_; }
  int64_t sequences() const { return sequences_; }
  int64_t documents() const { return documents_; }
  int64_t tokens() const { return tokens_; }
  // XXH3-64 of the .idx file.
  uint64_t index_checksum() const { return index_checksum_; }
  // True when PREFIX.sums is there, so that damage inside the .bin is found.
  bool has_checksums() const { return checker_.has_value(); }
  // Known without a scan when the shard has sums; -1 for a shard without ids.
  std::optional<int64_t> highest_id() const;

  // The stream position of document `document`'s first token; tokens() for document == documents().
  int64_t document_begin(int64_t document) const;
  // The document that holds a position of the stream, in [0, tokens()).
  int64_t document_at(int64_t position) const;
  // ids = stream[begin, begin + ids.size()). Throws Error(kInput) when the bytes are damaged.
  void read(int64_t begin, std::span<int64_t> ids) const;
  // Throws Error(kInput) naming file, byte, token and both numbers unless all of these ids, which were read
  // from `begin`, are in [0, vocabulary).
  void check_vocabulary(int64_t begin, std::span<const int64_t> ids, int64_t vocabulary) const;
  // Compares the whole .bin with its sums, if there are any.
  void verify() const;

 private:
  std::filesystem::path prefix_;
  MappedFile bin_, idx_;
  TokenType type_ = TokenType::kU16;
  int64_t width_ = 2;
  int64_t sequences_ = 0, documents_ = 0, tokens_ = 0;
  uint64_t index_checksum_ = 0;
  const uint8_t *lengths_ = nullptr, *pointers_ = nullptr, *document_indices_ = nullptr;
  // Where each sequence begins in the stream, only when the .bin does not hold the sequences back to back.
  std::vector<int64_t> begins_;
  std::optional<BlockChecker> checker_;

  void check_header();
  void check_sequences();
  [[noreturn]] void fail_outside(int64_t sequence, bool back_to_back) const;
  void collect_begins();
  void check_documents() const;
  int64_t length(int64_t sequence) const;
  int64_t pointer(int64_t sequence) const;
  int64_t sequence_begin(int64_t sequence) const;
  int64_t sequence_at(int64_t position) const;
  // Byte of the .bin at which a position of the stream lies.
  int64_t byte_at(int64_t position) const;
  void read_bytes(int64_t byte, std::span<int64_t> ids) const;
};

}  // namespace sextant::data
