#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "parallel/group.h"
#include "parallel/watchdog.h"

namespace sextant::parallel {

class MpiEnvironment;

// MPI from init to finalize: one object, in main. Works under mpirun and without (one rank). When it goes
// away because an exception passes through, the whole world is aborted: the other ranks would wait for ever.
class MpiSession {
 public:
  // Sums and moves larger than this many elements (bytes) are cut: MPI counts in int.
  static constexpr int64_t kLargestCount = int64_t{1} << 30;

  MpiSession();
  ~MpiSession();
  MpiSession(MpiSession&&) noexcept;
  MpiSession& operator=(MpiSession&&) = delete;

  Rank rank() const;
  int64_t size() const;
  // Among the ranks on this machine: for the choice of a device and of threads.
  Rank local_rank() const;
  int64_t local_size() const;

  // All ranks, over communicators of its own. Its verbs carry CPU tensors; others are staged through host
  // memory. All ranks must call. Groups may outlive the session: MPI ends with the last of them.
  std::unique_ptr<Group> world(int64_t largest_count = kLargestCount);

  // Sets the deadline of every verb of every group. Past it the rank prints its report, writes it to
  // crash-rank-R.txt in `folder` (shared by all ranks; its notice board too) and aborts the world with exit
  // code 1. Until this is called the deadline is 600 s and the report can not name the missing ranks.
  void watch(double deadline_seconds, const std::filesystem::path& folder);
  const std::shared_ptr<Watchdog>& watchdog() const;

  // Ends every rank of the world now; `code` is what mpirun leaves with.
  [[noreturn]] void abort(int code) noexcept;

 private:
  std::shared_ptr<MpiEnvironment> environment_;
  int exceptions_at_start_;
};

}  // namespace sextant::parallel
