#include "parallel/schedule_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <stdexcept>
#include <tuple>

#include "parallel/base/error.h"

namespace sextant::parallel {
namespace {

using Identity = std::tuple<Cargo, int64_t, int64_t>;

Identity identity_of(const Message& message) {
  return {message.cargo, message.stage, message.microbatch};
}

std::string text_of(const Schedule& schedule, int64_t rank, size_t index) {
  const Action& action = schedule.ranks[static_cast<size_t>(rank)][index];
  return fmt::format("action {} ({}) of rank {}", index, action_text(schedule.shape, action), rank);
}

std::string text_of(const Message& message) {
  return fmt::format("the {} of microbatch {} for stage {} from rank {}",
                     message.cargo == Cargo::kActivation ? "activation" : "gradient", message.microbatch,
                     message.stage, message.from);
}

// Messages on their way: when each was offered by its sender and, on rendezvous, asked for by its receiver.
class Mail {
 public:
  Mail(const Schedule& schedule, Transport transport) : transport_(transport) {
    for (int64_t from = 0; from < schedule.shape.ranks; ++from) {
      for (int64_t to = 0; to < schedule.shape.ranks; ++to) {
        if (from != to) channels_[{from, to}].order = messages_between(schedule, from, to);
      }
    }
  }

  void offer(const Message& message, double time) { offered_[identity_of(message)] = time; }

  // The receiver takes messages in the order in which they are sent, so it asks for all of them up to this.
  void ask(const Message& message, double time) {
    Channel& channel = channels_[{message.from, message.to}];
    while (channel.asked < channel.order.size() && asked_.count(identity_of(message)) == 0) {
      asked_[identity_of(channel.order[channel.asked++])] = time;
    }
  }

  // When it has arrived, or nothing while it has not.
  std::optional<double> arrival(const Message& message) const {
    auto offered = offered_.find(identity_of(message));
    if (offered == offered_.end()) return std::nullopt;
    if (transport_ == Transport::kBuffered || message.from == message.to) return offered->second;
    auto asked = asked_.find(identity_of(message));
    if (asked == asked_.end()) return std::nullopt;
    return std::max(offered->second, asked->second);
  }

 private:
  struct Channel {
    std::vector<Message> order;
    size_t asked = 0;
  };
  Transport transport_;
  std::map<std::pair<int64_t, int64_t>, Channel> channels_;
  std::map<Identity, double> offered_, asked_;
};

// All ranks, each as far as it can go, until nobody can.
class Player {
 public:
  Player(const Schedule& schedule, const ActionCost& cost, Transport transport)
      : schedule_(schedule), cost_(cost), transport_(transport), mail_(schedule, transport) {
    auto ranks = static_cast<size_t>(schedule.shape.ranks);
    done_.resize(ranks);
    free_.resize(ranks);
    reached_.resize(ranks);
    playback_.starts.resize(ranks);
    playback_.ends.resize(ranks);
  }

  Playback run() {
    bool moved = true;
    while (moved) {
      moved = false;
      for (int64_t rank = 0; rank < schedule_.shape.ranks; ++rank) {
        while (advance(rank)) moved = true;
      }
    }
    for (int64_t rank = 0; rank < schedule_.shape.ranks; ++rank) expect_finished(rank);
    for (const auto& ends : playback_.ends) {
      if (!ends.empty()) playback_.end = std::max(playback_.end, ends.back());
    }
    return std::move(playback_);
  }

 private:
  size_t index(int64_t rank) const { return static_cast<size_t>(rank); }
  const std::vector<Action>& list(int64_t rank) const { return schedule_.ranks[index(rank)]; }

  // One action further; false when the rank is at its end or has to wait.
  bool advance(int64_t rank) {
    size_t next = done_[index(rank)];
    if (!reached_[index(rank)]) {
      reached_[index(rank)] = true;
      if (next < list(rank).size()) {
        if (auto input = input_of(schedule_.shape, rank, list(rank)[next]))
          mail_.ask(*input, free_[index(rank)]);
      }
    }
    double start = free_[index(rank)];
    for (const Message& message : awaited(rank)) {
      auto arrival = mail_.arrival(message);
      if (!arrival) return false;
      start = std::max(start, *arrival);
    }
    if (next == list(rank).size()) return false;
    perform(rank, list(rank)[next], start);
    return true;
  }

  // What has to be delivered before the next action can start.
  std::vector<Message> awaited(int64_t rank) const {
    std::vector<Message> messages;
    size_t next = done_[index(rank)];
    if (next < list(rank).size()) {
      if (auto input = input_of(schedule_.shape, rank, list(rank)[next])) messages.push_back(*input);
    }
    if (transport_ == Transport::kRendezvous && next > 0) {
      if (auto output = output_of(schedule_.shape, rank, list(rank)[next - 1])) messages.push_back(*output);
    }
    return messages;
  }

  void perform(int64_t rank, const Action& action, double start) {
    double length = cost_(rank, action);
    double end = start + length;
    if (auto output = output_of(schedule_.shape, rank, action)) mail_.offer(*output, end);
    playback_.starts[index(rank)].push_back(start);
    playback_.ends[index(rank)].push_back(end);
    playback_.work += length;
    free_[index(rank)] = end;
    reached_[index(rank)] = false;
    ++done_[index(rank)];
  }

  void expect_finished(int64_t rank) const {
    size_t next = done_[index(rank)];
    for (const Message& message : awaited(rank)) {
      if (mail_.arrival(message)) continue;
      throw std::logic_error(fmt::format(
          "the schedule comes to a standstill: {} waits for {}",
          next < list(rank).size() ? text_of(schedule_, rank, next) : fmt::format("the end of rank {}", rank),
          text_of(message)));
    }
    if (next < list(rank).size()) {
      throw std::logic_error("the schedule comes to a standstill at " + text_of(schedule_, rank, next));
    }
  }

  const Schedule& schedule_;
  const ActionCost& cost_;
  Transport transport_;
  Mail mail_;
  Playback playback_;
  std::vector<size_t> done_;   // actions of each rank
  std::vector<double> free_;   // when it has done them
  std::vector<char> reached_;  // has asked for the next one's input
};

// What one rank has done for one microbatch of one chunk.
struct Progress {
  int64_t forwards = 0, inputs = 0, weights = 0;
};

std::string fault_of(const Action& action, Progress& progress) {
  switch (action.kind) {
    case ActionKind::kForward:
      return ++progress.forwards == 1 ? "" : "is done twice";
    case ActionKind::kBackward:
    case ActionKind::kInputGradient:
      if (action.kind == ActionKind::kBackward) ++progress.weights;
      if (progress.forwards == 0) return "comes before its forward";
      return ++progress.inputs == 1 ? "" : "is done twice";
    case ActionKind::kWeightGradient:
      if (progress.inputs == 0) return "comes before its input gradient";
      return ++progress.weights == 1 ? "" : "is done twice";
  }
  return "is of no known kind";
}

void check_rank(const Schedule& schedule, int64_t rank) {
  const ScheduleShape& shape = schedule.shape;
  std::map<std::pair<int64_t, int64_t>, Progress> done;  // by chunk and microbatch
  const auto& list = schedule.ranks[static_cast<size_t>(rank)];
  for (size_t i = 0; i < list.size(); ++i) {
    const Action& action = list[i];
    bool inside = action.chunk >= 0 && action.chunk < shape.chunks && action.microbatch >= 0 &&
                  action.microbatch < shape.microbatches;
    if (!inside) throw std::logic_error(text_of(schedule, rank, i) + " is outside of the schedule's shape");
    std::string fault = fault_of(action, done[{action.chunk, action.microbatch}]);
    if (!fault.empty()) throw std::logic_error(text_of(schedule, rank, i) + " " + fault);
  }
  for (int64_t chunk = 0; chunk < shape.chunks; ++chunk) {
    for (int64_t microbatch = 0; microbatch < shape.microbatches; ++microbatch) {
      const Progress& progress = done[{chunk, microbatch}];
      if (progress.forwards == 1 && progress.inputs == 1 && progress.weights == 1) continue;
      throw std::logic_error(
          fmt::format("rank {} does microbatch {} of chunk {} in part: {} forwards, {} "
                      "input gradients, {} weight gradients",
                      rank, microbatch, chunk, progress.forwards, progress.inputs, progress.weights));
    }
  }
}

}  // namespace

double unit_cost(int64_t, const Action& action) {
  return action.kind == ActionKind::kBackward ? 2 : 1;
}

double Playback::longest_span() const {
  double longest = 0;
  for (size_t rank = 0; rank < starts.size(); ++rank) {
    if (!starts[rank].empty()) longest = std::max(longest, ends[rank].back() - starts[rank].front());
  }
  return longest;
}

double Playback::bubble_fraction() const {
  double all = static_cast<double>(starts.size()) * end;
  return all > 0 ? (all - work) / all : 0;
}

Playback play(const Schedule& schedule, const ActionCost& cost, Transport transport) {
  return Player(schedule, cost, transport).run();
}

void check_schedule(const Schedule& schedule) {
  expect(static_cast<int64_t>(schedule.ranks.size()) == schedule.shape.ranks, "a list for each rank");
  for (int64_t rank = 0; rank < schedule.shape.ranks; ++rank) check_rank(schedule, rank);
  play(schedule);
}

std::vector<int64_t> peak_activations(const Schedule& schedule) {
  std::vector<int64_t> peaks;
  for (const auto& list : schedule.ranks) {
    int64_t kept = 0, peak = 0;
    for (const Action& action : list) {
      if (action.kind == ActionKind::kForward) peak = std::max(peak, ++kept);
      if (action.kind == ActionKind::kBackward || action.kind == ActionKind::kWeightGradient) --kept;
    }
    peaks.push_back(peak);
  }
  return peaks;
}

std::string schedule_text(const Schedule& schedule) {
  Playback playback = play(schedule);
  size_t width = 2;
  for (size_t rank = 0; rank < schedule.ranks.size(); ++rank) {
    for (const Action& action : schedule.ranks[rank]) {
      width = std::max(width, action_text(schedule.shape, action).size());
    }
  }
  std::string text;
  for (size_t rank = 0; rank < schedule.ranks.size(); ++rank) {
    std::string line = fmt::format("rank {:<3}", rank);
    double now = 0;
    auto column = [&](const std::string& what) {
      line += fmt::format(" {:<{}}", what, width);
      ++now;
    };
    for (size_t i = 0; i < schedule.ranks[rank].size(); ++i) {
      while (now < playback.starts[rank][i]) column(".");
      column(action_text(schedule.shape, schedule.ranks[rank][i]));
      while (now < playback.ends[rank][i]) column("--");
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

}  // namespace sextant::parallel
