#include "trainer/checkpoint/step_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "data/durable_file.h"
#include "parallel/base/error.h"
#include "trainer/checkpoint/manifest.h"

namespace sextant::trainer {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kStep = "step-";
constexpr std::string_view kSaving = ".saving-";
constexpr std::string_view kRetired = ".removing-";

[[noreturn]] void fail_rename(const fs::path& from, const fs::path& to, int error_number) {
  fail_environment(fmt::format("{}: can not be renamed to {}: {}", from.string(), to.string(),
                               system_error_text(error_number)));
}

void rename_folder(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) fail_rename(from, to, errno);
}

// Renames a folder to a name that remove_left_overs() knows.
void retire(const fs::path& folder, const fs::path& checkpoints, int64_t step) {
  fs::path retired = checkpoints / (std::string(kRetired) + step_folder_name(step));
  std::error_code ignored;
  fs::remove_all(retired, ignored);  // of an earlier removal that was cut short
  rename_folder(folder, retired);
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    fail_input(fmt::format("{}: can not be listed: {}", folder.string(), error.message()));
  }
  return names;
}

}  // namespace

std::string step_folder_name(int64_t step) {
  return fmt::format("{}{:08}", kStep, step);
}

std::string saving_folder_name(int64_t step) {
  return std::string(kSaving) + step_folder_name(step);
}

std::optional<int64_t> step_of_folder(const std::string& name) {
  if (!name.starts_with(kStep)) return std::nullopt;
  int64_t step = 0;
  auto [end, error] = std::from_chars(name.data() + kStep.size(), name.data() + name.size(), step);
  // Only the one way of writing a number counts: no sign, no other padding.
  if (error != std::errc() || step < 0 || step_folder_name(step) != name) return std::nullopt;
  return step;
}

std::vector<int64_t> published_steps(const fs::path& checkpoints) {
  std::vector<int64_t> steps;
  for (const std::string& name : names_in(checkpoints)) {
    if (auto step = step_of_folder(name)) steps.push_back(*step);
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

std::optional<fs::path> newest_checkpoint(const fs::path& folder) {
  std::vector<int64_t> steps = published_steps(folder);
  if (steps.empty()) return std::nullopt;
  return folder / step_folder_name(steps.back());
}

fs::path resolve_checkpoint(const fs::path& folder) {
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) {
    fail_input(
        fmt::format("{}: is no folder; name a run's folder, its checkpoints folder or one step's folder",
                    folder.string()));
  }
  fs::path plain = folder.has_filename() ? folder : folder.parent_path();
  if (fs::exists(plain / kManifestName, ignored) || step_of_folder(plain.filename().string())) return plain;
  for (const fs::path& place : {plain, plain / "checkpoints"}) {
    if (auto newest = newest_checkpoint(place)) return *newest;
  }
  fail_input(fmt::format("{}: holds no checkpoint: neither {}, nor a folder such as {} or checkpoints/{}",
                         folder.string(), kManifestName, step_folder_name(100), step_folder_name(100)));
}

void publish_step(const fs::path& checkpoints, int64_t step) {
  fs::path from = checkpoints / saving_folder_name(step), to = checkpoints / step_folder_name(step);
  std::error_code ignored;
  if (!fs::exists(to, ignored)) {
    rename_folder(from, to);
  } else if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) == 0) {
    // Swapped at one stroke: at every moment there is a whole checkpoint of this step.
    retire(from, checkpoints, step);
  } else {
    // File systems that can not swap: the old one stays recognisable until the new one has its name.
    retire_step(checkpoints, step);
    rename_folder(from, to);
  }
  data::sync_folder(checkpoints);
}

std::vector<int64_t> steps_to_remove(const std::vector<int64_t>& published, int64_t newest,
                                     const Retention& retention) {
  std::vector<int64_t> remove;
  auto last = static_cast<size_t>(std::max<int64_t>(1, retention.keep_last));
  for (size_t i = 0; i + last < published.size(); ++i) {
    bool for_good = retention.keep_every > 0 && published[i] % retention.keep_every == 0;
    if (!for_good && published[i] != newest) remove.push_back(published[i]);
  }
  return remove;
}

void retire_step(const fs::path& checkpoints, int64_t step) {
  retire(checkpoints / step_folder_name(step), checkpoints, step);
}

void remove_left_overs(const fs::path& checkpoints, LeftOvers which) {
  for (const std::string& name : names_in(checkpoints)) {
    bool left_over = (name.starts_with(kRetired) && step_of_folder(name.substr(kRetired.size()))) ||
                     (which == LeftOvers::kDeadSaves && name.starts_with(kSaving) &&
                      step_of_folder(name.substr(kSaving.size())));
    if (!left_over) continue;
    std::error_code error;
    fs::remove_all(checkpoints / name, error);
    if (error)
      fail_environment(
          fmt::format("{}: can not be removed: {}", (checkpoints / name).string(), error.message()));
  }
}

}  // namespace sextant::trainer
