#include "data/token_shard.h"

#include <fmt/format.h>

#include <algorithm>

#include "data/little_endian.h"
#include "parallel/base/error.h"

namespace sextant::data {
namespace {

MappedFile open_part(const std::filesystem::path& path, const std::filesystem::path& prefix) {
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored)) return MappedFile(path);
  std::string extension = prefix.extension().string();
  bool is_file_name = extension == ".bin" || extension == ".idx";
  fail_input(fmt::format("{}: no such file; {}", path.string(),
                         is_file_name
                             ? "give the shard's prefix, without .bin or .idx"
                             : "a shard is PREFIX.bin and PREFIX.idx, written by `sextant data build "
                               "--output PREFIX`"));
}

template <class T>
void widen(const uint8_t* from, std::span<int64_t> to) {
  for (size_t i = 0; i < to.size(); ++i) {
    to[i] = load<T>(from + i * sizeof(T));  // NOLINT(bugprone-signed-char-misuse): an i8 id is a number
  }
}

}  // namespace

TokenShard::TokenShard(const std::filesystem::path& prefix) : prefix_(prefix) {
  ShardPaths paths(prefix);
  idx_ = open_part(paths.idx, prefix);
  bin_ = open_part(paths.bin, prefix);
  check_header();
  check_sequences();
  check_documents();
  index_checksum_ = checksum(idx_.bytes());
  std::error_code ignored;
  if (std::filesystem::exists(paths.sums, ignored)) checker_.emplace(paths.sums, bin_, idx_, index_checksum_);
}

void TokenShard::check_header() {
  auto bytes = idx_.bytes();
  auto size = static_cast<int64_t>(bytes.size());
  if (size < kIndexHeaderBytes) {
    fail_shard(idx_.path(), size,
               fmt::format("the file ends inside its header of {} bytes", kIndexHeaderBytes));
  }
  if (std::memcmp(bytes.data(), kIndexMagic, kIndexMagicBytes) != 0) {
    fail_shard(idx_.path(), 0, "this is no token index: it does not begin with MMIDIDX");
  }
  auto version = load<uint64_t>(bytes.data() + 9);
  if (version != kIndexVersion) fail_shard(idx_.path(), 9, fmt::format("version {}, known is 1", version));
  uint8_t code = bytes[17];
  bool is_integer = (code >= 1 && code <= 5) || code == 8;
  if (!is_integer) fail_shard(idx_.path(), 17, fmt::format("type code {}; ids have 1 to 5 or 8", code));
  type_ = static_cast<TokenType>(code);
  width_ = width_of(type_);

  auto sequences = load<uint64_t>(bytes.data() + 18);
  auto entries = load<uint64_t>(bytes.data() + 26);
  auto room = static_cast<uint64_t>(size - kIndexHeaderBytes);
  if (sequences > room / 12 || entries > room / 8 || entries == 0) {
    fail_shard(idx_.path(), 18,
               fmt::format("{} sequences and {} document entries do not fit in a file of {} bytes", sequences,
                           entries, size));
  }
  uint64_t wanted = 12 * sequences + 8 * entries;
  if (room != wanted && room != wanted + sequences) {  // the latter: a mode byte a sequence
    fail_shard(idx_.path(), std::min<int64_t>(size, kIndexHeaderBytes + static_cast<int64_t>(wanted)),
               fmt::format("{} sequences and {} document entries take {} bytes, the file has {}", sequences,
                           entries, kIndexHeaderBytes + wanted, size));
  }
  sequences_ = static_cast<int64_t>(sequences);
  documents_ = static_cast<int64_t>(entries) - 1;
  lengths_ = bytes.data() + kIndexHeaderBytes;
  pointers_ = lengths_ + 4 * sequences;
  document_indices_ = pointers_ + 8 * sequences;
}

void TokenShard::check_sequences() {
  auto bin_bytes = static_cast<int64_t>(bin_.bytes().size());
  int64_t sum = 0, furthest = 0;
  bool back_to_back = true;
  for (int64_t s = 0; s < sequences_; ++s) {
    int64_t tokens = length(s), byte = pointer(s);
    if (tokens < 0) {
      fail_shard(idx_.path(), lengths_ - idx_.bytes().data() + 4 * s,
                 fmt::format("sequence {} has length {}", s, tokens));
    }
    back_to_back = back_to_back && byte == sum * width_;
    if (byte < 0 || byte > bin_bytes - tokens * width_) fail_outside(s, back_to_back);
    furthest = std::max(furthest, byte + tokens * width_);
    sum += tokens;
  }
  if (furthest != bin_bytes) {
    fail_shard(bin_.path(), std::min(furthest, bin_bytes),
               fmt::format("the file has {} bytes, its index describes {}: the two are not from one build",
                           bin_bytes, furthest));
  }
  tokens_ = sum;
  if (!back_to_back) collect_begins();
}

void TokenShard::fail_outside(int64_t sequence, bool back_to_back) const {
  auto bin_bytes = static_cast<int64_t>(bin_.bytes().size());
  if (back_to_back) {  // the index is right so far: rather the .bin was cut
    fail_shard(bin_.path(), bin_bytes,
               fmt::format("the file ends inside sequence {}, which its index puts at bytes {} to {}",
                           sequence, pointer(sequence), pointer(sequence) + length(sequence) * width_));
  }
  fail_shard(idx_.path(), pointers_ - idx_.bytes().data() + 8 * sequence,
             fmt::format("sequence {} of {} tokens lies at byte {} of {}, which has {} bytes", sequence,
                         length(sequence), pointer(sequence), bin_.path().string(), bin_bytes));
}

void TokenShard::collect_begins() {
  begins_.reserve(static_cast<size_t>(sequences_));
  int64_t sum = 0;
  for (int64_t s = 0; s < sequences_; ++s) {
    begins_.push_back(sum);
    sum += length(s);
  }
}

void TokenShard::check_documents() const {
  int64_t before = 0;
  for (int64_t d = 0; d <= documents_; ++d) {
    auto index = load<int64_t>(document_indices_ + 8 * d);
    bool fits = d == 0 ? index == 0 : index >= before && index <= sequences_;
    if (d == documents_) fits = fits && index == sequences_;
    if (!fits) {
      fail_shard(idx_.path(), document_indices_ - idx_.bytes().data() + 8 * d,
                 fmt::format("document entry {} of {} is {}, after {} and with {} sequences in all", d,
                             documents_ + 1, index, before, sequences_));
    }
    before = index;
  }
}

std::optional<int64_t> TokenShard::highest_id() const {
  return checker_ ? std::optional(checker_->highest_id()) : std::nullopt;
}

int64_t TokenShard::length(int64_t sequence) const {
  return load<int32_t>(lengths_ + 4 * sequence);
}

int64_t TokenShard::pointer(int64_t sequence) const {
  return load<int64_t>(pointers_ + 8 * sequence);
}

int64_t TokenShard::sequence_begin(int64_t sequence) const {
  if (sequence == sequences_) return tokens_;
  return begins_.empty() ? pointer(sequence) / width_ : begins_[static_cast<size_t>(sequence)];
}

int64_t TokenShard::document_begin(int64_t document) const {
  return sequence_begin(load<int64_t>(document_indices_ + 8 * document));
}

int64_t TokenShard::document_at(int64_t position) const {
  // The last document that begins at or before the position: empty ones before it are passed over.
  int64_t low = 0, high = documents_;
  while (high - low > 1) {
    int64_t middle = low + (high - low) / 2;
    (document_begin(middle) <= position ? low : high) = middle;
  }
  return low;
}

int64_t TokenShard::sequence_at(int64_t position) const {
  int64_t low = 0, high = sequences_;
  while (high - low > 1) {
    int64_t middle = low + (high - low) / 2;
    (sequence_begin(middle) <= position ? low : high) = middle;
  }
  return low;
}

int64_t TokenShard::byte_at(int64_t position) const {
  if (begins_.empty()) return position * width_;
  int64_t sequence = sequence_at(position);
  return pointer(sequence) + (position - sequence_begin(sequence)) * width_;
}

void TokenShard::read(int64_t begin, std::span<int64_t> ids) const {
  auto count = static_cast<int64_t>(ids.size());
  expect(begin >= 0 && count <= tokens_ - begin, "a window of a shard lies inside it");
  if (count == 0) return;
  if (begins_.empty()) return read_bytes(begin * width_, ids);
  for (int64_t sequence = sequence_at(begin), done = 0; done < count; ++sequence) {
    int64_t inside = begin + done - sequence_begin(sequence);
    int64_t part = std::min(length(sequence) - inside, count - done);
    read_bytes(pointer(sequence) + inside * width_,
               ids.subspan(static_cast<size_t>(done), static_cast<size_t>(part)));
    done += part;
  }
}

void TokenShard::read_bytes(int64_t byte, std::span<int64_t> ids) const {
  if (checker_)
    checker_->check(static_cast<uint64_t>(byte), static_cast<uint64_t>(byte) + ids.size() * width_);
  const uint8_t* from = bin_.bytes().data() + byte;
  switch (type_) {
    case TokenType::kU8:
      return widen<uint8_t>(from, ids);
    case TokenType::kI8:
      return widen<int8_t>(from, ids);
    case TokenType::kI16:
      return widen<int16_t>(from, ids);
    case TokenType::kU16:
      return widen<uint16_t>(from, ids);
    case TokenType::kI32:
      return widen<int32_t>(from, ids);
    case TokenType::kI64:
      return widen<int64_t>(from, ids);
  }
}

void TokenShard::check_vocabulary(int64_t begin, std::span<const int64_t> ids, int64_t vocabulary) const {
  auto wrong = std::find_if(ids.begin(), ids.end(), [&](int64_t id) { return id < 0 || id >= vocabulary; });
  if (wrong == ids.end()) return;
  int64_t position = begin + (wrong - ids.begin());
  fail_input(
      fmt::format("{}: byte {}: token {} is id {}, and the model's ids are 0 to {}; build the shard with the "
                  "model's tokenizer, or raise model.vocabulary to at least {}",
                  bin_.path().string(), byte_at(position), position, *wrong, vocabulary - 1, *wrong + 1));
}

void TokenShard::verify() const {
  if (checker_) checker_->check(0, bin_.bytes().size());
}

}  // namespace sextant::data
