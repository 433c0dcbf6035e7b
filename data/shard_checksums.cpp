#include "data/shard_checksums.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "data/little_endian.h"
#include "data/shard_format.h"
#include "parallel/base/error.h"

namespace sextant::data {
namespace {

constexpr std::string_view kMagic{"SXTSUMS\0", 8};
constexpr uint64_t kVersion = 1;
constexpr uint64_t kHeaderBytes =
    64;  // magic and seven numbers; then the blocks, then the file's own checksum

template <class T>
void append(std::string& bytes, T value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

uint64_t checksum_of(std::string_view bytes) {
  return checksum({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
}

uint64_t blocks_of(uint64_t bytes) {
  return (bytes + ShardSums::kBlockBytes - 1) / ShardSums::kBlockBytes;
}

[[noreturn]] void fail_sums(const std::filesystem::path& path, const std::string& what) {
  fail_input(fmt::format(
      "{}: {}; build the shard again with `sextant data build`, or, if another tool wrote the .bin "
      "and .idx beside it, delete this file",
      path.string(), what));
}

// The sums that belong to a .bin of this size.
ShardSums parse(const std::filesystem::path& path, uint64_t bin_bytes) {
  uint64_t blocks = blocks_of(bin_bytes);
  MappedFile file(path);
  auto bytes = file.bytes();
  if (bytes.size() < kHeaderBytes + 8 || std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) {
    fail_sums(path, "byte 0: this is no checksum file of a token shard");
  }
  auto number = [&](size_t index) { return load<uint64_t>(bytes.data() + 8 * index); };
  if (number(1) != kVersion)
    fail_sums(path, fmt::format("byte 8: version {}, known is {}", number(1), kVersion));
  if (number(3) != bin_bytes) {
    fail_sums(path, fmt::format("byte 24: made for a .bin of {} bytes, which has {}", number(3), bin_bytes));
  }
  if (bytes.size() != kHeaderBytes + 8 * blocks + 8 || number(2) != ShardSums::kBlockBytes ||
      number(7) != blocks) {
    fail_sums(path, fmt::format("{} bytes long where {} blocks need {}", bytes.size(), blocks,
                                kHeaderBytes + 8 * blocks + 8));
  }
  if (checksum(bytes.first(bytes.size() - 8)) != load<uint64_t>(bytes.data() + bytes.size() - 8)) {
    fail_sums(path, "its own checksum does not fit: the file is damaged");
  }
  ShardSums sums{number(3), number(4), number(5), static_cast<int64_t>(number(6)), {}};
  sums.blocks.resize(blocks);
  if (blocks > 0) std::memcpy(sums.blocks.data(), bytes.data() + kHeaderBytes, 8 * blocks);
  return sums;
}

}  // namespace

std::string ShardSums::to_bytes() const {
  std::string bytes(kMagic);
  bytes.reserve(kHeaderBytes + 8 * blocks.size() + 8);
  for (uint64_t number : {kVersion, kBlockBytes, bin_bytes, idx_bytes, idx_checksum}) append(bytes, number);
  append(bytes, highest_id);
  append(bytes, static_cast<uint64_t>(blocks.size()));
  bytes.append(reinterpret_cast<const char*>(blocks.data()), 8 * blocks.size());
  append(bytes, checksum_of(bytes));
  return bytes;
}

BlockChecker::BlockChecker(const std::filesystem::path& sums, const MappedFile& bin, const MappedFile& idx,
                           uint64_t idx_checksum)
    : bin_(bin), sums_(parse(sums, bin.bytes().size())) {
  if (sums_.idx_bytes != idx.bytes().size() || sums_.idx_checksum != idx_checksum) {
    fail_sums(
        sums,
        fmt::format("{} does not have the checksum that was taken when the shard was built: it is damaged "
                    "or from another build",
                    idx.path().string()));
  }
  seen_ = std::make_unique<std::atomic<uint64_t>[]>(sums_.blocks.size() / 64 + 1);
}

void BlockChecker::check(uint64_t begin, uint64_t end) const {
  for (uint64_t block = begin / ShardSums::kBlockBytes; block * ShardSums::kBlockBytes < end; ++block) {
    std::atomic<uint64_t>& word = seen_[block / 64];
    uint64_t bit = uint64_t{1} << (block % 64);
    if ((word.load(std::memory_order_relaxed) & bit) != 0) continue;
    uint64_t first = block * ShardSums::kBlockBytes;
    uint64_t count = std::min(ShardSums::kBlockBytes, sums_.bin_bytes - first);
    if (checksum(bin_.bytes().subspan(first, count)) != sums_.blocks[block]) {
      fail_shard(bin_.path(), static_cast<int64_t>(first),
                 fmt::format(
                     "the {} bytes from here are damaged: their checksum is not the one taken when the shard "
                     "was built",
                     count));
    }
    word.fetch_or(bit, std::memory_order_relaxed);
  }
}

}  // namespace sextant::data
