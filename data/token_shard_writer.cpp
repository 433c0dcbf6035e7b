#include "data/token_shard_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "parallel/base/error.h"

namespace sextant::data {
namespace {

template <class T>
void put(DurableFile& file, T value) {
  file.write(&value, sizeof value);
}

}  // namespace

TokenShardWriter::TokenShardWriter(const std::filesystem::path& prefix, TokenType type)
    : paths_(prefix), type_(type), bin_(paths_.bin), block_(ShardSums::kBlockBytes) {
  expect(type == TokenType::kU16 || type == TokenType::kI32, "shards are written as u16 or i32");
}

void TokenShardWriter::add_document(std::span<const int32_t> ids) {
  if (ids.size() > static_cast<size_t>(std::numeric_limits<int32_t>::max())) {
    fail_input(fmt::format("{}: document {} has {} tokens; a document of a shard has at most {}",
                           paths_.bin.string(), documents(), ids.size(),
                           std::numeric_limits<int32_t>::max()));
  }
  type_ == TokenType::kU16 ? append<uint16_t>(ids) : append<int32_t>(ids);
  lengths_.push_back(static_cast<int32_t>(ids.size()));
  tokens_ += static_cast<int64_t>(ids.size());
}

template <class T>
void TokenShardWriter::append(std::span<const int32_t> ids) {
  while (!ids.empty()) {
    size_t part = std::min(ids.size(), (block_.size() - filled_) / sizeof(T));
    int32_t lowest = 0, highest = -1;
    for (size_t i = 0; i < part; ++i) {
      auto id = static_cast<T>(ids[i]);
      std::memcpy(block_.data() + filled_ + i * sizeof(T), &id, sizeof(T));
      lowest = std::min(lowest, ids[i]);
      highest = std::max(highest, ids[i]);
    }
    expect(lowest == 0 && (part == 0 || static_cast<int64_t>(static_cast<T>(highest)) == highest),
           "ids fit the shard's type");
    sums_.highest_id = std::max<int64_t>(sums_.highest_id, highest);
    filled_ += part * sizeof(T);
    ids = ids.subspan(part);
    if (filled_ == block_.size()) flush_block();
  }
}

void TokenShardWriter::flush_block() {
  if (filled_ == 0) return;
  sums_.blocks.push_back(checksum({block_.data(), filled_}));
  bin_.write(block_.data(), filled_);
  filled_ = 0;
}

void TokenShardWriter::write_index(DurableFile& idx) const {
  idx.write(kIndexMagic, kIndexMagicBytes);
  put<uint64_t>(idx, kIndexVersion);
  put<uint8_t>(idx, static_cast<uint8_t>(type_));
  put<uint64_t>(idx, lengths_.size());
  put<uint64_t>(idx, lengths_.size() + 1);
  idx.write(lengths_.data(), lengths_.size() * sizeof(int32_t));
  int64_t pointer = 0;
  for (int32_t length : lengths_) {
    put<int64_t>(idx, pointer);
    pointer += length * width_of(type_);
  }
  for (int64_t document = 0; document <= documents(); ++document) put<int64_t>(idx, document);
}

void TokenShardWriter::publish() {
  flush_block();
  sums_.bin_bytes = bin_.size();
  DurableFile idx(paths_.idx);
  write_index(idx);
  sums_.idx_bytes = idx.size();
  sums_.idx_checksum = idx.checksum();
  DurableFile sums(paths_.sums);
  sums.write(sums_.to_bytes());

  // An older index must not stand beside a newer .bin, however this ends.
  std::error_code ignored;
  std::filesystem::remove(paths_.idx, ignored);
  bin_.publish();
  sums.publish();
  idx.publish();
}

}  // namespace sextant::data
