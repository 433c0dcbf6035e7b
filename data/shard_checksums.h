#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "data/durable_file.h"

namespace sextant::data {

// PREFIX.sums: XXH3-64 of every 64 KiB block of PREFIX.bin, of the whole PREFIX.idx, and the highest id.
// Megatron's two files carry no checksum; this third one lets a flipped bit be found when a batch first
// touches its block, without reading a corpus of terabytes at each start.
struct ShardSums {
  static constexpr uint64_t kBlockBytes = 65536;

  uint64_t bin_bytes = 0;
  uint64_t idx_bytes = 0;
  uint64_t idx_checksum = 0;
  int64_t highest_id = -1;  // -1: the shard holds no ids
  std::vector<uint64_t> blocks;

  // The file's bytes.
  std::string to_bytes() const;
};

// Checks blocks of a mapped .bin against its sums, each once. Any number of threads may call check() at once.
class BlockChecker {
 public:
  // Reads PATH.sums and compares it with the two files' sizes and the index's checksum. Throws Error(kInput).
  BlockChecker(const std::filesystem::path& sums, const MappedFile& bin, const MappedFile& idx,
               uint64_t idx_checksum);

  // Checks the blocks that hold bytes [begin, end) of the .bin. Throws Error(kInput) naming the damaged
  // block.
  void check(uint64_t begin, uint64_t end) const;
  int64_t highest_id() const { return sums_.highest_id; }

 private:
  const MappedFile& bin_;
  ShardSums sums_;
  std::unique_ptr<std::atomic<uint64_t>[]> seen_;  // a bit a block
};

}  // namespace sextant::data
