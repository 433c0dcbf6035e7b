#include "parallel/group_threads.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <exception>
#include <map>
#include <mutex>
#include <thread>

#include "parallel/group_checks.h"
#include "parallel/thread_hall.h"
#include "parallel/waited_seconds.h"

namespace sextant::parallel {
namespace {

// The reduction of piece(r) over ranks, in the order of ranks; half types in fp32.
template <class Piece>
at::Tensor reduced(const Meeting& meeting, Piece piece) {
  at::Tensor first = piece(0);
  bool is_half = first.scalar_type() == at::kHalf || first.scalar_type() == at::kBFloat16;
  at::Tensor total =
      first.to(is_half ? at::kFloat : first.scalar_type(), /*non_blocking=*/false, /*copy=*/true);
  for (size_t r = 1; r < meeting.offers.size(); ++r) {
    switch (meeting.offers[0].how) {
      case Reduce::kSum:
        total.add_(piece(r));
        break;
      case Reduce::kMax:
        at::maximum_out(total, total, piece(r).to(total.scalar_type()));
        break;
      case Reduce::kMin:
        at::minimum_out(total, total, piece(r).to(total.scalar_type()));
        break;
    }
  }
  return total;
}

void perform_all_reduce(Meeting& meeting) {
  at::NoGradGuard no_grad;
  at::Tensor total = reduced(meeting, [&](size_t r) { return meeting.offers[r].input; });
  for (Offer& offer : meeting.offers) offer.input.copy_(total);
}

void perform_all_gather(Meeting& meeting) {
  at::NoGradGuard no_grad;
  for (Offer& to : meeting.offers) {
    at::Tensor pieces = to.output.view({to.output.size(0), -1});  // [n, any]
    for (size_t r = 0; r < meeting.offers.size(); ++r) {
      pieces[static_cast<int64_t>(r)].copy_(meeting.offers[r].input.view(-1));
    }
  }
}

void perform_reduce_scatter(Meeting& meeting) {
  at::NoGradGuard no_grad;
  for (size_t to = 0; to < meeting.offers.size(); ++to) {
    at::Tensor output = meeting.offers[to].output;
    output.copy_(reduced(meeting, [&](size_t r) {
      return meeting.offers[r].input[static_cast<int64_t>(to)].view(output.sizes());
    }));
  }
}

void perform_all_to_all(Meeting& meeting) {
  at::NoGradGuard no_grad;
  for (size_t to = 0; to < meeting.offers.size(); ++to) {
    for (size_t from = 0; from < meeting.offers.size(); ++from) {
      meeting.offers[to].output[static_cast<int64_t>(from)].copy_(
          meeting.offers[from].input[static_cast<int64_t>(to)]);
    }
  }
}

void perform_broadcast(Meeting& meeting) {
  at::NoGradGuard no_grad;
  auto root = static_cast<size_t>(meeting.offers[0].root);
  for (size_t r = 0; r < meeting.offers.size(); ++r) {
    if (r != root) meeting.offers[r].output.copy_(meeting.offers[root].output);
  }
}

void perform_transfer(Meeting& meeting) {
  at::NoGradGuard no_grad;
  meeting.offers[1].output.copy_(meeting.offers[0].input);
}

void perform_nothing(Meeting&) {}

// One room for each color, its members ordered by key, then by rank.
void perform_split(Meeting& meeting) {
  std::map<int64_t, std::vector<size_t>> by_color;
  for (size_t r = 0; r < meeting.offers.size(); ++r) by_color[meeting.offers[r].color].push_back(r);
  for (auto& [color, ranks] : by_color) {
    std::stable_sort(ranks.begin(), ranks.end(),
                     [&](size_t a, size_t b) { return meeting.offers[a].key < meeting.offers[b].key; });
    auto room = std::make_shared<ThreadRoom>();
    for (size_t r : ranks) {
      meeting.offers[r].room = room;
      meeting.offers[r].room_rank = Rank(static_cast<int64_t>(room->members.world.size()));
      room->members.world.push_back(meeting.world[r]);
    }
  }
}

class ThreadWork : public Work {
 public:
  ThreadWork(std::shared_ptr<ThreadHall> hall, std::shared_ptr<Meeting> meeting, size_t place,
             const Members& members, Call call)
      : hall_(std::move(hall)), meeting_(std::move(meeting)), place_(place), members_(members), call_(call) {}
  ~ThreadWork() override { hall_->release(*meeting_, place_); }

  void wait() override {
    if (waited_) return;
    WaitingTimer timer;
    hall_->wait(*meeting_, members_, call_);
    hall_->release(*meeting_, place_);
    waited_ = true;
  }
  bool progress() override { return waited_ || hall_->done(*meeting_); }
  const Meeting& meeting() const { return *meeting_; }

 private:
  std::shared_ptr<ThreadHall> hall_;
  std::shared_ptr<Meeting> meeting_;
  size_t place_;
  Members members_;
  Call call_;
  bool waited_ = false;
};

class ThreadGroup : public Group {
 public:
  ThreadGroup(std::shared_ptr<ThreadHall> hall, std::shared_ptr<ThreadRoom> room, Rank rank, std::string name)
      : hall_(std::move(hall)),
        room_(std::move(room)),
        members_{std::move(name), rank, room_->members.world},
        sent_(members_.world.size()),
        received_(members_.world.size()) {}

  Rank rank() const override { return members_.rank; }
  int64_t size() const override { return static_cast<int64_t>(members_.world.size()); }
  const std::string& name() const override { return members_.name; }
  Rank world_rank(Rank member) const override { return members_.world[static_cast<size_t>(member.value())]; }

  std::unique_ptr<Work> all_reduce_async(at::Tensor tensor, Reduce how) override {
    check_reducible(*this, "all_reduce", tensor);
    Offer offer;
    offer.input = std::move(tensor);
    offer.how = how;
    return collective("all_reduce", perform_all_reduce, std::move(offer));
  }
  std::unique_ptr<Work> all_gather_async(at::Tensor output, at::Tensor input) override {
    check_pieces(*this, "all_gather", output, input);
    return collective("all_gather", perform_all_gather, tensors(output, input));
  }
  std::unique_ptr<Work> reduce_scatter_async(at::Tensor output, at::Tensor input) override {
    check_reducible(*this, "reduce_scatter", input);
    check_pieces(*this, "reduce_scatter", input, output);
    return collective("reduce_scatter", perform_reduce_scatter, tensors(output, input));
  }
  std::unique_ptr<Work> all_to_all_async(at::Tensor output, at::Tensor input) override {
    check_exchange(*this, output, input);
    return collective("all_to_all", perform_all_to_all, tensors(output, input));
  }
  std::unique_ptr<Work> broadcast_async(at::Tensor tensor, Rank from) override {
    check_whole(*this, "broadcast", tensor);
    check_member(*this, "broadcast", from);
    Offer offer = tensors(tensor, {});
    offer.root = from.value();
    return collective("broadcast", perform_broadcast, std::move(offer));
  }
  std::unique_ptr<Work> send_async(at::Tensor tensor, Rank to) override {
    check_whole(*this, "send", tensor);
    check_peer(*this, "send", to);
    return transfer("send", rank(), to, tensors({}, tensor));
  }
  std::unique_ptr<Work> recv_async(at::Tensor tensor, Rank from) override {
    check_whole(*this, "recv", tensor);
    check_peer(*this, "recv", from);
    return transfer("recv", from, rank(), tensors(tensor, {}));
  }
  void barrier() override { collective("barrier", perform_nothing, Offer{})->wait(); }

  std::unique_ptr<Group> split(const Seating& seating, const std::string& name) override {
    Offer offer;
    Seat seat = seating(rank());
    offer.color = seat.color;
    offer.key = seat.key;
    auto work = collective("split", perform_split, std::move(offer));
    work->wait();
    const Offer& mine = work->meeting().offers[index(rank())];
    return std::make_unique<ThreadGroup>(hall_, mine.room, mine.room_rank, name);
  }

 private:
  static size_t index(Rank rank) { return static_cast<size_t>(rank.value()); }

  static Offer tensors(at::Tensor output, at::Tensor input) {
    Offer offer;
    offer.output = std::move(output);
    offer.input = std::move(input);
    return offer;
  }

  static std::string shape_text(const at::Tensor& tensor) {
    if (!tensor.defined()) return "";
    auto sizes = tensor.sizes();
    return fmt::format(" [{}] {}", fmt::join(sizes.begin(), sizes.end(), ", "),
                       c10::toString(tensor.scalar_type()));
  }

  std::unique_ptr<ThreadWork> collective(const char* verb, ThreadHall::Perform perform, Offer offer) {
    Call call{verb, ++sequence_, std::nullopt};
    const at::Tensor& shown = offer.input.defined() ? offer.input : offer.output;
    offer.signature = fmt::format("{}{}, reduction {}, root {}", verb, shape_text(shown),
                                  static_cast<int>(offer.how), offer.root);
    return bring({-1, -1, call.sequence}, members_.world, index(rank()), std::move(offer), perform, call);
  }

  std::unique_ptr<Work> transfer(const char* verb, Rank from, Rank to, Offer offer) {
    bool sends = from == rank();
    Rank peer = sends ? to : from;
    Call call{verb, ++(sends ? sent_ : received_)[index(peer)], peer};
    offer.signature = "a transfer of" + shape_text(sends ? offer.input : offer.output);
    return bring({from.value(), to.value(), call.sequence}, {world_rank(from), world_rank(to)}, sends ? 0 : 1,
                 std::move(offer), perform_transfer, call);
  }

  std::unique_ptr<ThreadWork> bring(const ThreadHall::Key& key, const std::vector<Rank>& world, size_t place,
                                    Offer offer, ThreadHall::Perform perform, Call call) {
    auto meeting = hall_->bring(*room_, key, world, place, std::move(offer), perform);
    return std::make_unique<ThreadWork>(hall_, std::move(meeting), place, members_, call);
  }

  std::shared_ptr<ThreadHall> hall_;
  std::shared_ptr<ThreadRoom> room_;
  Members members_;
  uint64_t sequence_ = 0;
  std::vector<uint64_t> sent_, received_;  // by peer
};

// Shares the intra-op threads out while it lives.
class ThreadShare {
 public:
  explicit ThreadShare(int64_t ranks)
      : all_(at::get_num_threads()), each_(std::max<int>(1, all_ / static_cast<int>(ranks))) {}
  ~ThreadShare() { at::set_num_threads(all_); }
  ThreadShare(const ThreadShare&) = delete;
  ThreadShare& operator=(const ThreadShare&) = delete;
  // The setting belongs to a thread: each rank calls this for itself.
  void apply() const { at::set_num_threads(each_); }

 private:
  int all_, each_;
};

}  // namespace

void run_ranks(int64_t n, const std::function<void(Group& world)>& body, std::shared_ptr<Watchdog> watchdog) {
  if (!watchdog) watchdog = std::make_shared<Watchdog>(600, memory_notice_board());
  auto hall = std::make_shared<ThreadHall>(std::move(watchdog));
  auto room = std::make_shared<ThreadRoom>();
  for (int64_t r = 0; r < n; ++r) room->members.world.push_back(Rank(r));

  ThreadShare share(n);
  std::mutex mutex;
  std::exception_ptr first;
  auto fail = [&](Rank rank, const std::string& why) {
    std::lock_guard lock(mutex);
    if (!first) first = std::current_exception();
    hall->poison(rank, why);
  };
  std::vector<std::thread> threads;
  threads.reserve(static_cast<size_t>(n));
  for (int64_t r = 0; r < n; ++r) {
    threads.emplace_back([&, rank = Rank(r)] {
      try {
        share.apply();
        ThreadGroup world(hall, room, rank, "world");
        body(world);
        hall->leave(rank);
      } catch (const std::exception& error) {
        fail(rank, error.what());
      } catch (...) {
        fail(rank, "an exception that is no std::exception");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (first) std::rethrow_exception(first);
}

}  // namespace sextant::parallel
