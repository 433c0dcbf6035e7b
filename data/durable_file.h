#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace sextant::data {

// A whole file mapped read-only. Move-only; the bytes live as long as the object.
class MappedFile {
 public:
  MappedFile() = default;
  // Throws Error(kInput) naming the file when it is missing, not a regular file or unreadable.
  explicit MappedFile(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  std::span<const uint8_t> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

// A file being written: to PATH.partial-PID first, then fsynced and renamed to PATH by publish(), so that
// PATH is either absent, the old file or the whole new one. Without publish() the partial file is removed.
// Every method throws Error(kEnvironment) with the path, the bytes wanted and errno's text (disk full, ...).
class DurableFile {
 public:
  explicit DurableFile(const std::filesystem::path& path);
  ~DurableFile();
  DurableFile(const DurableFile&) = delete;
  DurableFile& operator=(const DurableFile&) = delete;

  void write(const void* bytes, size_t count);
  void write(std::string_view text) { write(text.data(), text.size()); }
  // Overwrites bytes that were written before (a header whose counts are known at the end).
  void write_at(uint64_t offset, const void* bytes, size_t count);
  uint64_t size() const { return size_; }
  // XXH3-64 of everything passed to write(), in order; meaningless after write_at().
  uint64_t checksum() const;
  // fsync, rename, fsync of the folder.
  void publish();

 private:
  struct Hash;
  std::filesystem::path path_, partial_;
  int descriptor_ = -1;
  uint64_t size_ = 0;
  std::string buffer_;
  std::unique_ptr<Hash> hash_;

  void flush();
};

// The whole file; throws Error(kInput) when it is missing or longer than `limit`.
std::string read_file(const std::filesystem::path& path, uint64_t limit = uint64_t{1} << 32);
// Writes a whole file durably.
void write_file(const std::filesystem::path& path, std::string_view text);
// XXH3-64 of bytes.
uint64_t checksum(std::span<const uint8_t> bytes);
// fsync of a folder, so that renames in it survive a power cut.
void sync_folder(const std::filesystem::path& folder);

}  // namespace sextant::data
