#include <fmt/format.h>

#include <cstdio>
#include <exception>

#include "parallel/group_mpi.h"
#include "parallel/mpi_environment.h"

namespace sextant::parallel {

MpiSession::MpiSession()
    : environment_(std::make_shared<MpiEnvironment>()), exceptions_at_start_(std::uncaught_exceptions()) {
  // Weak: the watchdog belongs to the environment.
  std::weak_ptr<MpiEnvironment> weak = environment_;
  environment_->watchdog->set(600, nullptr, [weak](const std::string& report) {
    std::fprintf(stderr, "sextant: %s\n", report.c_str());
    if (auto environment = weak.lock()) environment->abort(1);
  });
}

MpiSession::MpiSession(MpiSession&&) noexcept = default;

MpiSession::~MpiSession() {
  if (environment_ && std::uncaught_exceptions() > exceptions_at_start_ && size() > 1) abort(1);
}

Rank MpiSession::rank() const {
  return Rank(environment_->rank);
}
int64_t MpiSession::size() const {
  return environment_->size;
}
Rank MpiSession::local_rank() const {
  return Rank(environment_->local_rank);
}
int64_t MpiSession::local_size() const {
  return environment_->local_size;
}
const std::shared_ptr<Watchdog>& MpiSession::watchdog() const {
  return environment_->watchdog;
}

void MpiSession::watch(double deadline_seconds, const std::filesystem::path& folder) {
  std::weak_ptr<MpiEnvironment> weak = environment_;
  auto on_hang = [weak, folder, own = rank()](const std::string& report) {
    std::fprintf(stderr, "sextant: %s\n", report.c_str());
    write_crash_note(folder, own, report);
    if (auto environment = weak.lock()) environment->abort(1);
  };
  environment_->watchdog->set(deadline_seconds, folder_notice_board(folder, rank()), on_hang);
}

void MpiSession::abort(int code) noexcept {
  environment_->abort(code);
}

}  // namespace sextant::parallel
