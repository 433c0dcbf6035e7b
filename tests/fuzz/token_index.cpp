#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "data/durable_file.h"
#include "data/shard_checksums.h"
#include "data/token_shard.h"
#include "tests/fuzz/target.h"

namespace sextant::fuzz {
namespace {

namespace fs = std::filesystem;

// A folder of this process's own with a .bin of 4 KiB, whose other files a run replaces.
class Folder {
 public:
  Folder() : path_(in_memory() / ("sextant-fuzz-" + std::to_string(::getpid()))) {
    fs::create_directories(path_);
    std::string ids;
    for (int i = 0; i < 4096; ++i) ids.push_back(static_cast<char>(i % 4 == 0 ? i / 16 : 0));
    std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(ids.data()), ids.size());
    put("s.bin", bytes);
    bin_checksum_ = data::checksum(bytes);
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  void put(const char* name, std::span<const uint8_t> bytes) const {
    std::ofstream(path_ / name, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  fs::path prefix() const { return path_ / "s"; }
  uint64_t bin_checksum() const { return bin_checksum_; }

 private:
  static fs::path in_memory() {
    return fs::exists("/dev/shm") ? fs::path("/dev/shm") : fs::temp_directory_path();
  }

  fs::path path_;
  uint64_t bin_checksum_ = 0;
};

void read_all(const fs::path& prefix) {
  data::TokenShard shard(prefix);
  shard.highest_id();
  std::array<int64_t, 64> ids;
  for (int64_t at = 0; at < shard.tokens(); at += 64) {
    auto count = static_cast<size_t>(std::min<int64_t>(64, shard.tokens() - at));
    shard.read(at, std::span(ids).first(count));
    shard.document_at(at);
  }
  for (int64_t document = 0; document <= std::min<int64_t>(shard.documents(), 1000); ++document)
    shard.document_begin(document);
  shard.verify();
}

}  // namespace

// The bytes as a shard's .idx beside a .bin of 4 KiB.
void token_index(std::span<const uint8_t> bytes) {
  Folder folder;
  folder.put("s.idx", bytes);
  read_all(folder.prefix());
}

// The bytes as changes of a .sums that is right, its own checksum mended: nothing else gets past that.
void token_sums(std::span<const uint8_t> bytes) {
  Folder folder;
  std::string index("MMIDIDX\0\0\x01\0\0\0\0\0\0\0\x04\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0", 34);
  index += std::string("\0\x04\0\0", 4) + std::string(16, '\0') + std::string("\x01\0\0\0\0\0\0\0", 8);
  std::span<const uint8_t> index_bytes(reinterpret_cast<const uint8_t*>(index.data()), index.size());
  folder.put("s.idx", index_bytes);
  data::ShardSums sums;
  sums.bin_bytes = 4096, sums.idx_bytes = index.size(), sums.idx_checksum = data::checksum(index_bytes);
  sums.highest_id = 255, sums.blocks = {folder.bin_checksum()};
  std::string file = sums.to_bytes();
  file.resize(std::max(file.size(), bytes.size()));
  for (size_t i = 0; i < bytes.size(); ++i) file[i] = static_cast<char>(file[i] ^ bytes[i]);
  std::span<uint8_t> all(reinterpret_cast<uint8_t*>(file.data()), file.size());
  uint64_t own = data::checksum(all.first(all.size() - 8));
  std::memcpy(all.data() + all.size() - 8, &own, sizeof own);
  folder.put("s.sums", all);
  read_all(folder.prefix());
}

}  // namespace sextant::fuzz
