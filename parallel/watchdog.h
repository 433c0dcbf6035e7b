#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "parallel/base/number.h"
#include "parallel/notice_board.h"

namespace sextant::parallel {

// Who is in a group: what the watchdog's report needs to know of it.
struct Members {
  std::string name;         // "data"
  Rank rank;                // of this process within the group
  std::vector<Rank> world;  // by rank within the group: the rank among all
};

// One call of a verb, as messages name it.
struct Call {
  const char* verb = "";  // "all_reduce"; lives as long as the program
  uint64_t sequence = 0;  // the group's collectives count from 1; sends and receives count by pair of ranks
  std::optional<Rank> peer;  // within the group, for send and recv
};

// The longest that a verb may take. No launcher notices a rank that is stopped or loops for ever: the ranks
// that wait for it must. Past the deadline the rank's report names verb, group, sequence number and the ranks
// that have not come, and `on_hang` gets it. Thread-safe.
class Watchdog {
 public:
  // Meant to end the process. When it returns, the waiting verb throws Error(kEnvironment) with the report.
  using OnHang = std::function<void(const std::string& report)>;

  // Without a board the report can not name the missing ranks.
  explicit Watchdog(double deadline_seconds, std::shared_ptr<NoticeBoard> board = nullptr,
                    OnHang on_hang = nullptr);

  // Replaces all three. A wait under way keeps its deadline.
  void set(double deadline_seconds, std::shared_ptr<NoticeBoard> board, OnHang on_hang);

  double deadline_seconds() const { return deadline_seconds_.load(std::memory_order_relaxed); }
  std::shared_ptr<NoticeBoard> board() const;

  // Gives the report to on_hang, from one rank where the board can choose one. The others leave it a few
  // seconds to end everybody, then follow.
  void hang(const std::string& report);

 private:
  std::atomic<double> deadline_seconds_;
  mutable std::mutex mutex_;  // guards the two below
  std::shared_ptr<NoticeBoard> board_;
  OnHang on_hang_;
};

// One wait under the watchdog's eye. The waiting loop calls check() again and again.
class Vigil {
 public:
  Vigil(Watchdog& watchdog, const Members& members, Call call);
  // Takes back what was posted: this rank has gone on.
  ~Vigil();
  Vigil(const Vigil&) = delete;
  Vigil& operator=(const Vigil&) = delete;

  // Leaves word on the board after half the deadline, 10 s at most. Throws Error(kEnvironment) past the
  // deadline, unless on_hang has ended the process.
  void check();

  // What stderr gets when the deadline is over now.
  std::string report() const;

 private:
  double seconds() const;
  std::string place() const;  // "all_reduce #5 of group data"
  std::string word_of(Rank member) const;

  Watchdog& watchdog_;
  const Members& members_;
  Call call_;
  std::chrono::steady_clock::time_point start_;
  double deadline_;
  bool posted_ = false;
};

}  // namespace sextant::parallel
