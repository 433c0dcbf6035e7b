#include "data/byte_source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <vector>

#include "parallel/base/error.h"

namespace sextant::data {
namespace {

constexpr size_t kInputBytes = size_t{1} << 18;

// An open file with a window of bytes that were read and not yet taken.
class RawFile {
 public:
  explicit RawFile(const std::filesystem::path& path) : path_(path), buffer_(kInputBytes) {
    descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor_ < 0)
      fail_input(fmt::format("{}: can not be opened: {}", path_.string(), system_error_text(errno)));
    ::posix_fadvise(descriptor_, 0, 0, POSIX_FADV_SEQUENTIAL);
    try {
      fill();
    } catch (...) {
      ::close(descriptor_);
      throw;
    }
  }
  ~RawFile() { ::close(descriptor_); }
  RawFile(const RawFile&) = delete;
  RawFile& operator=(const RawFile&) = delete;

  const std::string name() const { return path_.string(); }
  const char* data() const { return buffer_.data() + begin_; }
  size_t available() const { return end_ - begin_; }
  void take(size_t count) { begin_ += count, taken_ += count; }
  uint64_t taken() const { return taken_; }

  // Reads on when nothing is available; false at the end.
  bool fill() {
    if (available() > 0) return true;
    begin_ = 0;
    end_ = read_into(buffer_.data(), buffer_.size());
    return end_ > 0;
  }

  // Past the window, straight into the caller's memory; counts as taken.
  size_t read_directly(char* into, size_t room) {
    size_t count = read_into(into, room);
    taken_ += count;
    return count;
  }

 private:
  std::filesystem::path path_;
  std::vector<char> buffer_;
  int descriptor_ = -1;
  size_t begin_ = 0, end_ = 0;
  uint64_t taken_ = 0;

  size_t read_into(char* into, size_t room) const {
    for (;;) {
      ssize_t count = ::read(descriptor_, into, room);
      if (count >= 0) return static_cast<size_t>(count);
      if (errno == EINTR) continue;
      fail_input(
          fmt::format("{}: byte {}: can not be read: {}", path_.string(), taken_, system_error_text(errno)));
    }
  }
};

class PlainSource final : public ByteSource {
 public:
  explicit PlainSource(std::unique_ptr<RawFile> file) : file_(std::move(file)) {}

  size_t read(char* into, size_t room) override {
    if (file_->available() == 0) return file_->read_directly(into, room);
    size_t count = std::min(room, file_->available());
    std::memcpy(into, file_->data(), count);
    file_->take(count);
    return count;
  }
  uint64_t consumed() const override { return file_->taken(); }

 private:
  std::unique_ptr<RawFile> file_;
};

[[noreturn]] void fail_packed(const RawFile& file, const char* format, const char* what) {
  fail_input(fmt::format("{}: byte {}: {} data {}; fetch or pack the file again", file.name(), file.taken(),
                         format, what));
}

// Any number of gzip members; zero bytes after the last one are padding.
class GzipSource final : public ByteSource {
 public:
  explicit GzipSource(std::unique_ptr<RawFile> file) : file_(std::move(file)) {
    constexpr int kGzipOnly = 15 + 16;
    expect(inflateInit2(&stream_, kGzipOnly) == Z_OK, "zlib starts");
  }
  ~GzipSource() override { inflateEnd(&stream_); }

  size_t read(char* into, size_t room) override {
    room = std::min(room, size_t{1} << 30);
    stream_.next_out = reinterpret_cast<Bytef*>(into);
    stream_.avail_out = static_cast<uInt>(room);
    while (stream_.avail_out == room) {
      if (!file_->fill()) {
        if (!inside_member_) return 0;
        fail_packed(*file_, "gzip", "ends early: the file is truncated");
      }
      if (!inside_member_ && !begin_member()) continue;
      step();
    }
    return room - stream_.avail_out;
  }
  uint64_t consumed() const override { return file_->taken(); }

 private:
  std::unique_ptr<RawFile> file_;
  z_stream stream_{};
  bool inside_member_ = true;

  // False when the next byte was padding.
  bool begin_member() {
    if (*file_->data() == 0) {
      file_->take(1);
      return false;
    }
    inflateReset(&stream_);
    inside_member_ = true;
    return true;
  }

  void step() {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(file_->data()));
    stream_.avail_in = static_cast<uInt>(file_->available());
    int result = inflate(&stream_, Z_NO_FLUSH);
    file_->take(file_->available() - stream_.avail_in);
    if (result == Z_STREAM_END) {
      inside_member_ = false;
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      fail_packed(
          *file_, "gzip",
          fmt::format("is damaged ({})", stream_.msg != nullptr ? stream_.msg : "no reason given").c_str());
    }
  }
};

class ZstdSource final : public ByteSource {
 public:
  explicit ZstdSource(std::unique_ptr<RawFile> file) : file_(std::move(file)), stream_(ZSTD_createDStream()) {
    expect(stream_ != nullptr, "zstd starts");
  }
  ~ZstdSource() override { ZSTD_freeDStream(stream_); }

  size_t read(char* into, size_t room) override {
    ZSTD_outBuffer out{into, room, 0};
    while (out.pos == 0) {
      bool more = file_->fill();
      ZSTD_inBuffer in{file_->data(), file_->available(), 0};
      size_t before = missing_;
      if (more || missing_ != 0) missing_ = ZSTD_decompressStream(stream_, &out, &in);
      if (ZSTD_isError(missing_)) {
        fail_packed(*file_, "zstd", fmt::format("is damaged ({})", ZSTD_getErrorName(missing_)).c_str());
      }
      file_->take(in.pos);
      if (!more && out.pos == 0) {
        if (before == 0) return 0;
        fail_packed(*file_, "zstd", "ends early: the file is truncated");
      }
    }
    return out.pos;
  }
  uint64_t consumed() const override { return file_->taken(); }

 private:
  std::unique_ptr<RawFile> file_;
  ZSTD_DStream* stream_;
  size_t missing_ = 0;  // what zstd last said: 0 between frames
};

}  // namespace

std::unique_ptr<ByteSource> ByteSource::open(const std::filesystem::path& path) {
  auto file = std::make_unique<RawFile>(path);
  std::string_view head(file->data(), file->available());
  if (head.starts_with("\x1f\x8b")) return std::make_unique<GzipSource>(std::move(file));
  bool is_skippable = head.size() >= 4 && (head[0] & 0xf0) == 0x50 && head.substr(1, 3) == "\x2a\x4d\x18";
  if (is_skippable || head.starts_with("\x28\xb5\x2f\xfd"))
    return std::make_unique<ZstdSource>(std::move(file));

  const char* other = head.starts_with(std::string_view("\xfd"
                                                        "7zXZ\0",
                                                        6))
                          ? "xz"
                      : head.starts_with("BZh") && head.substr(4).starts_with("1AY&SY") ? "bzip2"
                      : head.starts_with("PK\x03\x04")                                  ? "zip"
                      : head.starts_with("PAR1")                                        ? "Parquet"
                                                                                        : nullptr;
  if (other != nullptr) {
    fail_input(fmt::format(
        "{}: is a {} file; text and JSON lines are read as they are, as gzip or as zstd: unpack it first",
        path.string(), other));
  }
  return std::make_unique<PlainSource>(std::move(file));
}

uint64_t size_on_disk(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return 0;
  auto size = std::filesystem::file_size(path, ignored);
  return ignored ? 0 : size;
}

}  // namespace sextant::data
