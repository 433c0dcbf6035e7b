#include "parallel/mpi_environment.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

#include "parallel/base/error.h"

namespace sextant::parallel {

void check_mpi(int code, const std::string& what) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(code, text, &length);
  fail_environment(fmt::format("{} failed in MPI: {}", what, std::string(text, static_cast<size_t>(length))));
}

MpiEnvironment::MpiEnvironment() : watchdog(std::make_shared<Watchdog>(600)) {
  int already = 0, provided = MPI_THREAD_SINGLE;
  MPI_Initialized(&already);
  expect(!already, "a process opens MPI once: one MpiSession, in main");
  check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided), "MPI_Init_thread");
  if (provided < MPI_THREAD_SERIALIZED) {
    fail_environment(
        "this MPI allows calls from the main thread only; use one built with thread support "
        "(MPI_THREAD_SERIALIZED), such as Debian's Open MPI");
  }
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  MPI_Comm neighbours = MPI_COMM_NULL;  // the ranks that share this machine's memory
  check_mpi(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &neighbours),
            "MPI_Comm_split_type");
  MPI_Comm_rank(neighbours, &local_rank);
  MPI_Comm_size(neighbours, &local_size);
  MPI_Comm_free(&neighbours);
}

MpiEnvironment::~MpiEnvironment() {
  MPI_Finalize();
}

void MpiEnvironment::abort(int code) noexcept {
  std::fflush(nullptr);
  // No lock: the rank may be giving up on a call that holds it.
  if (size > 1) MPI_Abort(MPI_COMM_WORLD, code);
  std::_Exit(code);
}

Communicator::Communicator(std::shared_ptr<MpiEnvironment> environment, MPI_Comm owned)
    : environment_(std::move(environment)), comm_(owned) {
  MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN);
}

Communicator::~Communicator() {
  if (comm_ == MPI_COMM_NULL) return;
  std::lock_guard lock(environment_->calls);
  MPI_Comm_free(&comm_);
}

Requests::~Requests() {
  if (done_ || !environment_) return;
  std::lock_guard lock(environment_->calls);
  for (const at::Tensor& tensor : kept_) environment_->abandoned.push_back(tensor);
}

bool Requests::complete(const std::string& what) {
  std::lock_guard lock(environment_->calls);
  int complete = 0;
  statuses_.resize(requests_.size());
  int code = MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &complete, statuses_.data());
  if (code == MPI_ERR_IN_STATUS) {
    for (const MPI_Status& status : statuses_) {
      if (status.MPI_ERROR != MPI_ERR_PENDING) check_mpi(status.MPI_ERROR, what);
    }
  }
  check_mpi(code, what);
  return complete != 0;
}

void Requests::copy() {
  for (auto copy = copies_.rbegin(); copy != copies_.rend(); ++copy) {
    copy->to.copy_(copy->sums ? copy->from[0] : copy->from);
    for (int64_t piece = 1; copy->sums && piece < copy->from.size(0); ++piece)
      copy->to.add_(copy->from[piece]);
  }
  copies_.clear();
}

void MpiEnvironment::move_on() {
  std::lock_guard lock(moving);
  for (Requests* requests : with_second_half) requests->advance("a sum");
}

bool Requests::advance(const std::string& what) {
  at::NoGradGuard no_grad;
  while (!done_) {
    if (!complete(what)) return false;
    copy();
    requests_.clear();
    kept_.clear();
    done_ = next_.empty();
    for (auto& next : std::exchange(next_, {})) next(*this);
  }
  return true;
}

}  // namespace sextant::parallel
