#include "data/durable_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <new>
#include <utility>

#include "parallel/base/error.h"

namespace sextant::data {
namespace {

// Small writes are gathered up to this many bytes; a system call costs little beside so many.
constexpr size_t kBufferBytes = size_t{4} << 20;

// An open file that closes itself.
class Descriptor {
 public:
  Descriptor(const std::filesystem::path& path, int flags)
      : number_(::open(path.c_str(), flags | O_CLOEXEC)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int number() const { return number_; }

 private:
  int number_;
};

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

[[noreturn]] void fail_to_open(const std::filesystem::path& path, int error_number) {
  fail_input(fmt::format("{}: can not be opened: {}; check the path and its permissions", path.string(),
                         system_error_text(error_number)));
}

struct stat status_of(const Descriptor& file, const std::filesystem::path& path) {
  struct stat status {};
  if (::fstat(file.number(), &status) != 0) fail_to_open(path, errno);
  if (S_ISDIR(status.st_mode))
    fail_input(fmt::format("{}: is a folder where a file was expected", path.string()));
  return status;
}

[[noreturn]] void fail_to(const char* what, const std::filesystem::path& path, int error_number) {
  fail_environment(fmt::format("{}: can not {}: {}", path.string(), what, system_error_text(error_number)));
}

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path) : path_(path) {
  // Without O_NONBLOCK opening a named pipe would wait for a writer.
  Descriptor file(path, O_RDONLY | O_NONBLOCK);
  if (file.number() < 0) fail_to_open(path, errno);
  struct stat status = status_of(file, path);
  if (!S_ISREG(status.st_mode)) {
    fail_input(
        fmt::format("{}: is not a regular file; it is read by mapping, which pipes and devices do not allow",
                    path.string()));
  }
  size_ = static_cast<size_t>(status.st_size);
  if (size_ == 0) return;
  void* mapped = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.number(), 0);
  if (mapped == MAP_FAILED) {
    fail_input(
        fmt::format("{}: {} bytes can not be mapped: {}", path.string(), size_, system_error_text(errno)));
  }
  data_ = static_cast<const uint8_t*>(mapped);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<uint8_t*>(data_), size_);
}

struct DurableFile::Hash {
  // Aligned as XXH3 wants it.
  std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state{XXH3_createState(), XXH3_freeState};

  Hash() {
    if (state == nullptr) throw std::bad_alloc();
    XXH3_64bits_reset(state.get());
  }
};

DurableFile::DurableFile(const std::filesystem::path& path)
    : path_(path),
      partial_(path.string() + fmt::format(".partial-{}", ::getpid())),
      hash_(std::make_unique<Hash>()) {
  buffer_.reserve(kBufferBytes);
  // A stale partial file of the same process id goes first, so that O_EXCL never follows a link placed there.
  ::unlink(partial_.c_str());
  descriptor_ = ::open(partial_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail_to("be created", partial_, errno);
}

DurableFile::~DurableFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!partial_.empty()) ::unlink(partial_.c_str());
}

namespace {

void write_whole(int descriptor, const char* bytes, size_t count, uint64_t offset,
                 const std::filesystem::path& path) {
  while (count > 0) {
    ssize_t written = ::pwrite(descriptor, bytes, count, static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      int reason = written == 0 ? ENOSPC : errno;
      fail_environment(
          fmt::format("{}: can not write {} bytes at byte {}: {}; free space there or choose another folder",
                      path.string(), count, offset, system_error_text(reason)));
    }
    bytes += written;
    count -= static_cast<size_t>(written);
    offset += static_cast<uint64_t>(written);
  }
}

}  // namespace

void DurableFile::write(const void* bytes, size_t count) {
  expect(descriptor_ >= 0, "a published file is not written to");
  if (count == 0) return;
  XXH3_64bits_update(hash_->state.get(), bytes, count);
  if (buffer_.size() + count > kBufferBytes) flush();
  if (count >= kBufferBytes) {
    write_whole(descriptor_, static_cast<const char*>(bytes), count, size_, path_);
  } else {
    buffer_.append(static_cast<const char*>(bytes), count);
  }
  size_ += count;
}

void DurableFile::write_at(uint64_t offset, const void* bytes, size_t count) {
  expect(descriptor_ >= 0, "a published file is not written to");
  expect(offset <= size_ && count <= size_ - offset, "write_at overwrites bytes that were written before");
  flush();
  write_whole(descriptor_, static_cast<const char*>(bytes), count, offset, path_);
}

uint64_t DurableFile::checksum() const {
  return XXH3_64bits_digest(hash_->state.get());
}

void DurableFile::flush() {
  if (buffer_.empty()) return;
  write_whole(descriptor_, buffer_.data(), buffer_.size(), size_ - buffer_.size(), path_);
  buffer_.clear();
}

void DurableFile::publish() {
  expect(descriptor_ >= 0, "a file is published once");
  flush();
  if (::fsync(descriptor_) != 0) fail_to("be brought to the disk (fsync)", path_, errno);
  if (::close(std::exchange(descriptor_, -1)) != 0) fail_to("be closed", path_, errno);
  if (::rename(partial_.c_str(), path_.c_str()) != 0) fail_to("be put in place (rename)", path_, errno);
  partial_.clear();
  sync_folder(folder_of(path_));
}

std::string read_file(const std::filesystem::path& path, uint64_t limit) {
  Descriptor file(path, O_RDONLY);
  if (file.number() < 0) fail_to_open(path, errno);
  struct stat status = status_of(file, path);
  auto too_long = [&](uint64_t bytes) {
    fail_input(
        fmt::format("{}: {} bytes or more, but at most {} are expected here", path.string(), bytes, limit));
  };
  if (static_cast<uint64_t>(status.st_size) > limit) too_long(static_cast<uint64_t>(status.st_size));
  std::string text;
  // One byte beyond the size finds the end in the same pass; pipes and /proc say 0 and grow as they come.
  size_t room = static_cast<size_t>(status.st_size) + 1;
  for (size_t filled = 0;;) {
    text.resize(std::max(text.size(), filled + room));
    ssize_t got = ::read(file.number(), text.data() + filled, text.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      fail_input(
          fmt::format("{}: can not be read at byte {}: {}", path.string(), filled, system_error_text(errno)));
    }
    filled += static_cast<size_t>(got);
    if (filled > limit) too_long(filled);
    if (got == 0) {
      text.resize(filled);
      return text;
    }
    room = filled == text.size() ? size_t{64} << 10 : text.size() - filled;
  }
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  DurableFile file(path);
  file.write(text);
  file.publish();
}

uint64_t checksum(std::span<const uint8_t> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

void sync_folder(const std::filesystem::path& folder) {
  Descriptor file(folder, O_RDONLY | O_DIRECTORY);
  if (file.number() < 0) fail_to("be opened as a folder", folder, errno);
  // Some network filesystems can not fsync a folder and say so; their renames are durable by themselves.
  if (::fsync(file.number()) != 0 && errno != EINVAL && errno != ENOTSUP)
    fail_to("be brought to the disk", folder, errno);
}

}  // namespace sextant::data
