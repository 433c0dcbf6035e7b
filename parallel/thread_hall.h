#pragma once

#include <ATen/core/Tensor.h>

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "parallel/group.h"
#include "parallel/watchdog.h"

// Where ranks that are threads of one process meet. Each call of a verb is a meeting: every rank brings an
// offer, and the last one to come does the work for all, so that a call completes without anybody having to
// wait for it and any number may be under way at once.
namespace sextant::parallel {

struct ThreadRoom;

// What one rank brings to a meeting.
struct Offer {
  bool here = false;
  at::Tensor output, input;
  std::string signature;  // what must be equal on all ranks: verb, shape, type, reduction, root
  Reduce how = Reduce::kSum;
  int64_t color = 0, key = 0, root = 0;
  std::shared_ptr<ThreadRoom> room;  // split's result
  Rank room_rank;
};

struct Meeting {
  std::vector<Offer> offers;
  std::vector<Rank> world;  // who brings each offer, as ranks of the world
  size_t arrived = 0;
  bool done = false;
  std::string failure;  // not empty: every rank's wait throws it
};

// A group: its members and the meetings that some have come to and others not yet.
struct ThreadRoom {
  Members members;  // `rank` unused: the room is shared by all of them
  // Collectives are (-1, -1, sequence); a send is (from, to, sequence).
  std::map<std::tuple<int64_t, int64_t, uint64_t>, std::shared_ptr<Meeting>> open;
};

// What all groups of one run share. One lock is enough: meetings are short, work is done outside it.
class ThreadHall {
 public:
  explicit ThreadHall(std::shared_ptr<Watchdog> watchdog) : watchdog_(std::move(watchdog)) {}

  using Key = std::tuple<int64_t, int64_t, uint64_t>;
  using Perform = void (*)(Meeting&);

  // Brings offer number `place` to the meeting of `room` under `key`, which `world` takes part in. The last
  // to come runs `perform`. Throws when the run is poisoned.
  std::shared_ptr<Meeting> bring(ThreadRoom& room, const Key& key, const std::vector<Rank>& world,
                                 size_t place, Offer offer, Perform perform);
  // Blocks until the meeting's work is done. Throws when it can not be any more: a rank failed, left, or
  // brought something else, or the deadline is over.
  void wait(const Meeting& meeting, const Members& members, Call call);
  bool done(const Meeting& meeting) const;
  // Lets go of the tensors that offer `place` brought, once nobody needs them: on the thread that they belong
  // to, so that their last owner is the rank that made them.
  void release(Meeting& meeting, size_t place);

  // A rank has failed: every wait in the hall throws from now on.
  void poison(Rank rank, const std::string& why);
  // A rank has ended in good order: who waits for it must not wait for ever.
  void leave(Rank rank);

 private:
  void throw_if_hopeless(const Meeting& meeting, const Members& members, Call call) const;

  std::shared_ptr<Watchdog> watchdog_;
  mutable std::mutex mutex_;  // guards all rooms, all meetings and what follows
  std::condition_variable changed_;
  std::string poison_;
  std::set<Rank> left_;
};

}  // namespace sextant::parallel
