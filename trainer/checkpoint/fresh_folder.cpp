#include "trainer/checkpoint/fresh_folder.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "data/durable_file.h"
#include "parallel/base/error.h"

namespace sextant::trainer {

namespace fs = std::filesystem;

void make_folder(const fs::path& folder, const std::function<void(const fs::path&)>& write) {
  fs::path target = fs::absolute(folder).lexically_normal();
  if (!target.has_filename()) target = target.parent_path();
  std::error_code error;
  if (fs::exists(target, error) && !fs::is_empty(target, error)) {
    fail_input(fmt::format("{}: is there already; name another folder, or remove it", folder.string()));
  }
  fs::create_directories(target.parent_path(), error);
  fs::path partial =
      target.parent_path() / fmt::format(".{}.partial-{}", target.filename().string(), ::getpid());
  fs::remove_all(partial, error);
  if (!fs::create_directory(partial, error)) {
    fail_environment(fmt::format("{}: can not be created: {}", partial.string(), error.message()));
  }
  try {
    write(partial);
    data::sync_folder(partial);
    // An empty folder gives way to a rename.
    if (::rename(partial.c_str(), target.c_str()) != 0) {
      fail_environment(fmt::format("{}: can not be renamed to {}: {}", partial.string(), target.string(),
                                   system_error_text(errno)));
    }
  } catch (...) {
    fs::remove_all(partial, error);
    throw;
  }
  data::sync_folder(target.parent_path());
}

}  // namespace sextant::trainer
