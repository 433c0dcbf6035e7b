#include "trainer/evaluation/sandbox_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "parallel/base/error.h"

namespace sextant::trainer {
namespace {

namespace fs = std::filesystem;

// Rights that came after the first version of Landlock; Debian 12's headers do not name all of them.
constexpr unsigned long long kRefer = 1ULL << 13, kTruncate = 1ULL << 14, kDevices = 1ULL << 15;

constexpr unsigned long long kReadFile = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_EXECUTE;
constexpr unsigned long long kRead = kReadFile | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr unsigned long long kWork = kRead | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                                     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                     LANDLOCK_ACCESS_FS_MAKE_REG;

// All rights that this kernel can refuse.
unsigned long long all_rights(int64_t version) {
  unsigned long long rights = (1ULL << 13) - 1;  // version 1
  if (version >= 2) rights |= kRefer;
  if (version >= 3) rights |= kTruncate;
  if (version >= 5) rights |= kDevices;
  return rights;
}

int64_t landlock_version() {
  int64_t version =
      ::syscall(SYS_landlock_create_ruleset, nullptr, size_t{0}, LANDLOCK_CREATE_RULESET_VERSION);
  if (version >= 1) return version;
  fail_environment(fmt::format(
      "programs that a model wrote are not run here: this kernel can not keep them away from files "
      "(Landlock: {}); take a kernel of version 5.13 or later with Landlock among its security modules",
      system_error_text(errno)));
}

}  // namespace

SandboxFiles::SandboxFiles(const std::string& interpreter, const std::string& work_folder) {
  int64_t version = landlock_version();
  landlock_ruleset_attr handled{};
  handled.handled_access_fs = all_rights(version);
  rules_ = static_cast<int>(::syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0U));
  if (rules_ < 0) fail_environment("a sandbox's rules for files: " + system_error_text(errno));
  for (const char* folder : {"/usr", "/lib", "/lib64"}) allow(folder, kRead, false);
  for (const char* file : {"/etc/ld.so.cache", "/dev/urandom", "/dev/zero"}) allow(file, kReadFile, false);
  allow("/dev/null", kReadFile | LANDLOCK_ACCESS_FS_WRITE_FILE, true);
  // Debian's interpreter has a settings file there.
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator("/etc", ignored)) {
    if (entry.path().filename().string().starts_with("python3")) allow(entry.path(), kRead, false);
  }
  // An interpreter elsewhere: itself and its library, not what else is in that place.
  for (const fs::path& one : {fs::path(interpreter), fs::weakly_canonical(interpreter)}) {
    allow(one, kReadFile, true);
    fs::path place = one.parent_path().parent_path();
    for (const char* part : {"lib", "lib64", "pyvenv.cfg"}) allow(place / part, kRead, false);
  }
  allow(work_folder, kWork | (version >= 2 ? kRefer : 0) | (version >= 3 ? kTruncate : 0), true);
}

SandboxFiles::~SandboxFiles() {
  ::close(rules_);
}

void SandboxFiles::allow(const std::string& path, unsigned long long rights, bool needed) const {
  int place = ::open(path.c_str(), O_PATH | O_CLOEXEC);
  if (place < 0 && !needed) return;
  if (place < 0) fail_environment(fmt::format("{}: {}", path, system_error_text(errno)));
  struct stat what {};
  ::fstat(place, &what);
  landlock_path_beneath_attr rule{};
  rule.allowed_access =
      S_ISDIR(what.st_mode) ? rights : rights & (kReadFile | LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate);
  rule.parent_fd = place;
  int64_t code = ::syscall(SYS_landlock_add_rule, rules_, LANDLOCK_RULE_PATH_BENEATH, &rule, 0U);
  int error = errno;
  ::close(place);
  if (code != 0) fail_environment(fmt::format("a sandbox's rule for {}: {}", path, system_error_text(error)));
}

}  // namespace sextant::trainer
