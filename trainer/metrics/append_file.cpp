#include "trainer/metrics/append_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "parallel/base/error.h"

namespace sextant::trainer {

AppendFile::AppendFile(std::filesystem::path path) : path_(std::move(path)) {
  std::error_code ignored;  // open() below says better why a folder can not be made
  std::filesystem::create_directories(path_.parent_path(), ignored);
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (descriptor_ < 0) {
    fail_environment(
        fmt::format("{}: can not be opened for writing: {}; check that the folder exists and is yours",
                    path_.string(), system_error_text(errno)));
  }
  struct stat status {};
  if (::fstat(descriptor_, &status) == 0) size_ = static_cast<uint64_t>(status.st_size);
}

AppendFile::~AppendFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void AppendFile::append(std::string_view bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    ssize_t count = ::write(descriptor_, bytes.data() + done, bytes.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      int reason = errno;
      // A line that stands half in the file would spoil the next one. Where even this fails, reopening mends
      // it.
      [[maybe_unused]] int taken_back = ::ftruncate(descriptor_, static_cast<off_t>(size_));
      fail_environment(fmt::format("{}: {} bytes could not be written at byte {}: {}", path_.string(),
                                   bytes.size(), size_, system_error_text(reason)));
    }
    done += static_cast<size_t>(count);
  }
  size_ += bytes.size();
}

void AppendFile::sync() {
  if (::fsync(descriptor_) != 0 && errno != EINVAL) {
    fail_environment(
        fmt::format("{}: could not be brought to disk: {}", path_.string(), system_error_text(errno)));
  }
}

}  // namespace sextant::trainer
