#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "data/durable_file.h"
#include "data/shard_checksums.h"
#include "data/shard_format.h"

namespace sextant::data {

// Writes a shard, one sequence a document, in memory that does not grow apart from 4 bytes a document and 8
// bytes a block of 64 KiB. Nothing stands under its name until publish(): .bin first, .sums, and .idx last,
// so that a shard with an index is whole. Throws Error(kEnvironment) when a file can not be written.
class TokenShardWriter {
 public:
  TokenShardWriter(const std::filesystem::path& prefix, TokenType type);

  // Ids must fit the type. At most 2^31 - 1 of them.
  void add_document(std::span<const int32_t> ids);
  void publish();

  int64_t documents() const { return static_cast<int64_t>(lengths_.size()); }
  int64_t tokens() const { return tokens_; }

 private:
  ShardPaths paths_;
  TokenType type_;
  DurableFile bin_;
  std::vector<uint8_t> block_;  // the .bin's current block
  size_t filled_ = 0;
  std::vector<int32_t> lengths_;
  ShardSums sums_;
  int64_t tokens_ = 0;

  template <class T>
  void append(std::span<const int32_t> ids);
  void flush_block();
  void write_index(DurableFile& idx) const;
};

}  // namespace sextant::data
