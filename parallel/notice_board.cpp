#include "parallel/notice_board.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <map>
#include <mutex>

#include "parallel/base/error.h"

namespace sextant::parallel {
namespace {

namespace fs = std::filesystem;

class MemoryNoticeBoard : public NoticeBoard {
 public:
  void post(Rank rank, const std::string& notice) noexcept override {
    std::lock_guard lock(mutex_);
    notices_[rank] = notice;
  }
  std::optional<std::string> read(Rank rank) const override {
    std::lock_guard lock(mutex_);
    auto found = notices_.find(rank);
    return found == notices_.end() ? std::nullopt : std::optional(found->second);
  }
  bool claim_report() noexcept override { return true; }

 private:
  mutable std::mutex mutex_;
  std::map<Rank, std::string> notices_;
};

// Written to another name and renamed, so that a reader sees all of it or none.
bool write_whole(const fs::path& path, const std::string& text) {
  fs::path part = path.string() + ".part";
  {
    std::ofstream file(part, std::ios::binary | std::ios::trunc);
    file << text;
    file.flush();
    if (!file) return false;
  }
  std::error_code failed;
  fs::rename(part, path, failed);
  return !failed;
}

class FolderNoticeBoard : public NoticeBoard {
 public:
  FolderNoticeBoard(fs::path folder, Rank own) : folder_(std::move(folder)) {
    std::error_code failed;
    fs::create_directories(folder_, failed);
    if (failed) {
      fail_environment(
          fmt::format("can not make the folder {}: {}; free space there or choose another run.folder",
                      folder_.string(), failed.message()));
    }
    fs::remove(file_of(own), failed);
    fs::remove(claim(), failed);
  }

  void post(Rank rank, const std::string& notice) noexcept override {
    try {
      write_whole(file_of(rank), notice);
    } catch (const std::exception&) {
      return;  // no word is what the others will then report: still true
    }
  }
  std::optional<std::string> read(Rank rank) const override {
    std::ifstream file(file_of(rank), std::ios::binary);
    if (!file) return std::nullopt;
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  bool claim_report() noexcept override {
    int file = ::open(claim().c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
    if (file >= 0) return ::close(file), true;
    return errno != EEXIST;
  }

 private:
  fs::path file_of(Rank rank) const { return folder_ / fmt::format("waiting-rank-{}.txt", rank.value()); }
  fs::path claim() const { return folder_ / "watchdog-report.claimed"; }

  fs::path folder_;
};

}  // namespace

std::shared_ptr<NoticeBoard> memory_notice_board() {
  return std::make_shared<MemoryNoticeBoard>();
}

std::shared_ptr<NoticeBoard> folder_notice_board(const fs::path& folder, Rank own) {
  return std::make_shared<FolderNoticeBoard>(folder, own);
}

std::optional<fs::path> write_crash_note(const fs::path& folder, Rank rank,
                                         const std::string& text) noexcept {
  try {
    fs::create_directories(folder);
    fs::path path = folder / fmt::format("crash-rank-{}.txt", rank.value());
    if (write_whole(path, text + "\n")) return path;
    return std::nullopt;
  } catch (const std::exception&) {
    return std::nullopt;  // the caller is on its way down already; its own message is what counts
  }
}

}  // namespace sextant::parallel
