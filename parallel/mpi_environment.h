#pragma once

#include <ATen/core/Tensor.h>
#include <mpi.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "parallel/watchdog.h"

// What group_mpi.cpp stands on: MPI's life from init to finalize, communicators that free themselves, and a
// set of requests under way. Included by the sources of group_mpi only.
namespace sextant::parallel {

// Throws Error(kEnvironment) with MPI's own words unless `code` is MPI_SUCCESS.
void check_mpi(int code, const std::string& what);

class Requests;

// Finalizes MPI when the last group and session that hold it are gone. MPI is opened for one caller at a time
// (MPI_THREAD_SERIALIZED, so a backward thread may start a sum): every call into MPI holds `calls`.
class MpiEnvironment {
 public:
  MpiEnvironment();
  ~MpiEnvironment();
  MpiEnvironment(const MpiEnvironment&) = delete;
  MpiEnvironment& operator=(const MpiEnvironment&) = delete;

  [[noreturn]] void abort(int code) noexcept;

  // Moves the work that has a second half on, whoever waits for it: another rank may need that first.
  void move_on();

  std::mutex calls;
  // Held while requests are moved on or listed here; taken before `calls`.
  std::mutex moving;
  std::vector<Requests*> with_second_half;
  std::shared_ptr<Watchdog> watchdog;
  int rank = 0, size = 1, local_rank = 0, local_size = 1;
  // Tensors of calls that nobody waited for, which MPI may still write to.
  std::vector<at::Tensor> abandoned;
};

// A communicator of our own; move-only.
class Communicator {
 public:
  Communicator(std::shared_ptr<MpiEnvironment> environment, MPI_Comm owned);
  ~Communicator();
  Communicator(Communicator&& other) noexcept
      : environment_(std::move(other.environment_)), comm_(std::exchange(other.comm_, MPI_COMM_NULL)) {}
  Communicator& operator=(Communicator&&) = delete;

  MPI_Comm get() const { return comm_; }

 private:
  std::shared_ptr<MpiEnvironment> environment_;
  MPI_Comm comm_;
};

// The requests of one verb, the tensors that they use, and what to copy where once they are complete.
class Requests {
 public:
  explicit Requests(std::shared_ptr<MpiEnvironment> environment) : environment_(std::move(environment)) {}
  ~Requests();
  Requests(Requests&&) = default;
  Requests& operator=(Requests&&) = delete;

  // Calls `start`, an MPI call that fills in the request given to it and returns MPI's code.
  template <class Start>
  void add(const char* what, Start start) {
    std::lock_guard lock(environment_->calls);
    requests_.push_back(MPI_REQUEST_NULL);
    check_mpi(start(&requests_.back()), what);
  }
  void keep(const at::Tensor& tensor) { kept_.push_back(tensor); }
  // Once complete: to = from. The copy added last is made first, so parts reach a staged tensor before it
  // moves on.
  void copy_when_done(const at::Tensor& to, const at::Tensor& from) { copies_.push_back({to, from, false}); }
  // Likewise: to = the sum of from's [n, any] pieces, in their order.
  void sum_when_done(const at::Tensor& to, const at::Tensor& from) { copies_.push_back({to, from, true}); }

  // Once complete and copied: adds what comes next, which is then to be waited for, too. In the order in
  // which they were given, all at the same time.
  void then(std::function<void(Requests&)> next) { next_.push_back(std::move(next)); }

  // Lets MPI work. True once all requests are complete, the copies made and nothing comes next.
  bool advance(const std::string& what);
  bool has_next() const { return !next_.empty(); }

 private:
  bool complete(const std::string& what);
  void copy();

  std::shared_ptr<MpiEnvironment> environment_;
  std::vector<MPI_Request> requests_;
  std::vector<MPI_Status> statuses_;
  std::vector<at::Tensor> kept_;
  struct Copy {
    at::Tensor to, from;
    bool sums;
  };
  std::vector<Copy> copies_;
  std::vector<std::function<void(Requests&)>> next_;
  bool done_ = false;
};

}  // namespace sextant::parallel
