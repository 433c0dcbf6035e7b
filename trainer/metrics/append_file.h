#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

namespace sextant::trainer {

// A log that grows at its end. Each append reaches the operating system before it returns, so a killed
// process loses nothing; a crashed machine loses what came after the last sync(). Throws Error(kEnvironment)
// naming the file, the bytes wanted and the reason (a full disk); what was written of a failed append is
// taken back.
class AppendFile {
 public:
  // Opens the file at its end; creates it, and its folder, where absent.
  explicit AppendFile(std::filesystem::path path);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  void append(std::string_view bytes);
  void sync();
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  uint64_t size_ = 0;
};

}  // namespace sextant::trainer
