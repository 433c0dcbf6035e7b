#include "parallel/watchdog.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "parallel/base/error.h"

namespace sextant::parallel {
namespace {

constexpr double kLongestSilence = 10;  // seconds of waiting before a rank leaves word
constexpr auto kGrace = std::chrono::seconds(5);

std::string rank_list(const std::vector<Rank>& ranks) {
  std::string text;
  for (Rank rank : ranks) text += fmt::format("{}{}", text.empty() ? "" : " ", rank.value());
  return text.empty() ? "none" : text;
}

}  // namespace

Watchdog::Watchdog(double deadline_seconds, std::shared_ptr<NoticeBoard> board, OnHang on_hang)
    : deadline_seconds_(deadline_seconds), board_(std::move(board)), on_hang_(std::move(on_hang)) {}

void Watchdog::set(double deadline_seconds, std::shared_ptr<NoticeBoard> board, OnHang on_hang) {
  std::lock_guard lock(mutex_);
  deadline_seconds_.store(deadline_seconds, std::memory_order_relaxed);
  board_ = std::move(board);
  on_hang_ = std::move(on_hang);
}

std::shared_ptr<NoticeBoard> Watchdog::board() const {
  std::lock_guard lock(mutex_);
  return board_;
}

void Watchdog::hang(const std::string& report) {
  OnHang on_hang;
  {
    std::lock_guard lock(mutex_);
    on_hang = on_hang_;
  }
  auto shared_board = board();
  if (shared_board && !shared_board->claim_report()) std::this_thread::sleep_for(kGrace);
  if (on_hang) on_hang(report);
}

Vigil::Vigil(Watchdog& watchdog, const Members& members, Call call)
    : watchdog_(watchdog),
      members_(members),
      call_(call),
      start_(std::chrono::steady_clock::now()),
      deadline_(watchdog.deadline_seconds()) {}

Vigil::~Vigil() {
  if (!posted_) return;
  auto board = watchdog_.board();
  if (board) board->post(members_.world[members_.rank.value()], "went on after " + place());
}

double Vigil::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

std::string Vigil::place() const {
  std::string peer;
  if (call_.peer) {
    const char* way = call_.verb == std::string("send") ? "to" : "from";
    peer = fmt::format(" {} rank {}", way, members_.world[call_.peer->value()].value());
  }
  return fmt::format("{} #{}{} of group {}", call_.verb, call_.sequence, peer, members_.name);
}

void Vigil::check() {
  double waited = seconds();
  if (waited < std::min(deadline_ / 2, kLongestSilence)) return;
  if (!posted_) {
    posted_ = true;
    auto board = watchdog_.board();
    if (board) board->post(members_.world[members_.rank.value()], "waits in " + place());
  }
  if (waited < deadline_) return;
  std::string text = report();
  watchdog_.hang(text);
  fail_environment(text);
}

std::string Vigil::word_of(Rank member) const {
  auto notice = watchdog_.board()->read(members_.world[member.value()]);
  return notice.value_or("has left no word: not started, stopped, dead, or computing without end");
}

std::string Vigil::report() const {
  Rank own = members_.world[members_.rank.value()];
  std::string text =
      fmt::format("rank {}: {} has not ended after {:.6g} s (parallel.collective_timeout_seconds)\n",
                  own.value(), place(), deadline_);
  if (!watchdog_.board()) return text + "  missing ranks: unknown, the watchdog has no notice board";

  std::vector<Rank> arrived{own}, missing;
  std::string words;
  for (size_t member = 0; member < members_.world.size(); ++member) {
    Rank rank(static_cast<int64_t>(member)), among_all = members_.world[member];
    if (rank == members_.rank || (call_.peer && rank != *call_.peer)) continue;
    std::string word = word_of(rank);
    bool here = !call_.peer && word == "waits in " + place();
    (here ? arrived : missing).push_back(among_all);
    if (!here) words += fmt::format("\n    rank {} {}", among_all.value(), word);
  }
  std::sort(arrived.begin(), arrived.end());
  text += fmt::format("  missing ranks: {}{}\n  waiting ranks: {}", rank_list(missing), words,
                      rank_list(arrived));
  if (missing.empty()) text += "\n  every rank has come: the network or a device does not answer";
  return text;
}

}  // namespace sextant::parallel
