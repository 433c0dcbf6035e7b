#include "trainer/run_folder.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <optional>
#include <string>
#include <thread>

#include "parallel/agreement.h"

namespace sextant::trainer {
namespace {

// Who holds the lock, as stands in the file: "pid 12 on host a since 2026-11-22 02:33:13 UTC".
std::string this_job() {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  return fmt::format("pid {} on host {} since {:%Y-%m-%d %H:%M:%S} UTC\n", ::getpid(), host.data(),
                     fmt::gmtime(std::time(nullptr)));
}

std::string holder_of(int lock) {
  std::array<char, 200> text{};
  ssize_t count = ::pread(lock, text.data(), text.size(), 0);
  std::string holder;
  for (ssize_t i = 0; i < count && text[static_cast<size_t>(i)] != '\n'; ++i) {
    char c = text[static_cast<size_t>(i)];
    holder += c >= ' ' && c <= '~' ? c : '?';
  }
  return holder.empty() ? "another job" : holder;
}

// Takes the lock, trying for so many seconds; 0, or the errno of the last try.
int lock_within(int lock, int patience_s) {
  constexpr auto kPause = std::chrono::milliseconds(100);
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(patience_s);
  while (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
    int reason = errno;
    bool over = std::chrono::steady_clock::now() >= deadline;
    if (over || (reason != EWOULDBLOCK && reason != EINTR)) return reason;
    std::this_thread::sleep_for(kPause);
  }
  return 0;
}

// Every rank ends with rank 0's error, if it has one.
void share_error(parallel::Group& world, const std::optional<Error>& error) {
  std::string mine;
  if (error) mine = (error->kind() == ErrorKind::kInput ? "i" : "e") + std::string(error->what());
  std::string first = parallel::gather_bytes(world, mine)[0];
  if (first.empty()) return;
  throw parallel::AgreedError(first[0] == 'i' ? ErrorKind::kInput : ErrorKind::kEnvironment, first.substr(1));
}

}  // namespace

RunFolder::RunFolder(std::filesystem::path folder, parallel::Group& world, int patience_s)
    : folder_(std::move(folder)) {
  std::optional<Error> error;
  if (world.rank() == Rank(0)) {
    try {
      take_lock(patience_s);
    } catch (const Error& failed) {
      error = failed;
    }
  }
  try {
    share_error(world, error);
  } catch (...) {
    // A constructor that throws runs no destructor.
    if (lock_ >= 0) ::close(lock_);
    throw;
  }
}

RunFolder::~RunFolder() {
  if (lock_ >= 0) ::close(lock_);
}

void RunFolder::take_lock(int patience_s) {
  std::error_code failure;
  std::filesystem::create_directories(folder_, failure);
  std::filesystem::path path = folder_ / ".lock";
  if (!failure) {
    lock_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (lock_ < 0) failure = {errno, std::generic_category()};
  }
  if (failure) {
    fail_environment(fmt::format("run folder {} can not be written to: {}; give run.folder=another",
                                 folder_.string(), failure.message()));
  }
  if (int reason = lock_within(lock_, patience_s); reason != 0) {
    if (reason == EWOULDBLOCK) {
      fail_input(
          fmt::format("run folder {} is in use by {}, still after {} s; stop it, or give "
                      "run.folder=another",
                      folder_.string(), holder_of(lock_), patience_s));
    }
    fail_environment(
        fmt::format("run folder {} can not be locked: {}; two jobs would overwrite each other there, so "
                    "give a run.folder on storage that has locks",
                    folder_.string(), system_error_text(reason)));
  }
  std::string holder = this_job();
  // Only for messages: a full disk is told of by whoever writes something that matters.
  [[maybe_unused]] bool told =
      ::ftruncate(lock_, 0) == 0 && ::pwrite(lock_, holder.data(), holder.size(), 0) > 0;
}

}  // namespace sextant::trainer
