#include "parallel/thread_hall.h"

#include <fmt/format.h>

#include "parallel/base/error.h"

namespace sextant::parallel {
namespace {

// Where two ranks' offers differ, in words; empty when they agree.
std::string disagreement(const Meeting& meeting) {
  for (size_t r = 1; r < meeting.offers.size(); ++r) {
    const std::string &first = meeting.offers[0].signature, &other = meeting.offers[r].signature;
    if (first == other) continue;
    return fmt::format("rank {} calls {} where rank {} calls {}", meeting.world[0].value(), first,
                       meeting.world[r].value(), other);
  }
  return "";
}

}  // namespace

std::shared_ptr<Meeting> ThreadHall::bring(ThreadRoom& room, const Key& key, const std::vector<Rank>& world,
                                           size_t place, Offer offer, Perform perform) {
  std::unique_lock lock(mutex_);
  if (!poison_.empty()) fail_environment(poison_);
  auto& slot = room.open[key];
  if (!slot) {
    slot = std::make_shared<Meeting>();
    slot->offers.resize(world.size());
    slot->world = world;
  }
  std::shared_ptr<Meeting> meeting = slot;
  meeting->offers[place] = std::move(offer);
  meeting->offers[place].here = true;
  if (++meeting->arrived < world.size()) return meeting;

  room.open.erase(key);
  lock.unlock();  // nobody else touches a full meeting before it is done
  std::string failure = disagreement(*meeting);
  try {
    if (failure.empty()) perform(*meeting);
  } catch (const std::exception& error) {
    failure = error.what();
  }
  lock.lock();
  meeting->failure = std::move(failure);
  meeting->done = true;
  changed_.notify_all();
  return meeting;
}

void ThreadHall::throw_if_hopeless(const Meeting& meeting, const Members& members, Call call) const {
  if (!poison_.empty()) fail_environment(poison_);
  for (size_t r = 0; r < meeting.offers.size(); ++r) {
    if (meeting.offers[r].here || !left_.contains(meeting.world[r])) continue;
    fail_environment(fmt::format("{} #{} of group {} can not end: rank {} has ended without calling it",
                                 call.verb, call.sequence, members.name, meeting.world[r].value()));
  }
}

void ThreadHall::wait(const Meeting& meeting, const Members& members, Call call) {
  Vigil vigil(*watchdog_, members, call);
  std::unique_lock lock(mutex_);
  while (!meeting.done) {
    // A full meeting is being worked on and will be done; only an open one can be hopeless.
    if (meeting.arrived < meeting.offers.size()) throw_if_hopeless(meeting, members, call);
    if (changed_.wait_for(lock, std::chrono::milliseconds(20)) == std::cv_status::timeout) {
      lock.unlock();
      vigil.check();
      lock.lock();
    }
  }
  if (!meeting.failure.empty()) {
    fail_environment(
        fmt::format("{} #{} of group {}: {}", call.verb, call.sequence, members.name, meeting.failure));
  }
}

bool ThreadHall::done(const Meeting& meeting) const {
  std::lock_guard lock(mutex_);
  return meeting.done;
}

void ThreadHall::release(Meeting& meeting, size_t place) {
  at::Tensor input, output;  // end outside the lock
  std::lock_guard lock(mutex_);
  if (!meeting.done) return;
  std::swap(input, meeting.offers[place].input);
  std::swap(output, meeting.offers[place].output);
}

void ThreadHall::poison(Rank rank, const std::string& why) {
  std::lock_guard lock(mutex_);
  if (poison_.empty()) poison_ = fmt::format("rank {} has failed: {}", rank.value(), why);
  changed_.notify_all();
}

void ThreadHall::leave(Rank rank) {
  std::lock_guard lock(mutex_);
  left_.insert(rank);
  changed_.notify_all();
}

}  // namespace sextant::parallel
