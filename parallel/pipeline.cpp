#include "parallel/pipeline.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <stdexcept>
#include <tuple>
#include <vector>

#include "parallel/base/error.h"

namespace sextant::parallel {
namespace {

// Receives under way beyond the one that is waited for.
constexpr size_t kAhead = 2;

using Key = std::tuple<Cargo, int64_t, int64_t>;

Key key_of(const Message& message) {
  return {message.cargo, message.stage, message.microbatch};
}

std::string text_of(const Schedule& schedule, const ActivationType& type) {
  const ScheduleShape& shape = schedule.shape;
  size_t actions = 0;
  for (const auto& list : schedule.ranks) actions += list.size();
  return fmt::format("{} schedule of {} ranks, {} chunks, {} microbatches, {} actions; activations [{}] {}",
                     schedule_name(shape.kind), shape.ranks, shape.chunks, shape.microbatches, actions,
                     fmt::join(type.shape, ", "),
                     c10::toString(at::typeMetaToScalarType(type.options.dtype())));
}

}  // namespace

// One pass through a list.
class PipelineEngine::Run {
 public:
  Run(std::map<int64_t, Channel>& channels, int64_t rank, const Schedule& schedule,
      const ActivationType& type)
      : shape_(schedule.shape), rank_(rank), type_(type) {
    for (auto& [neighbour, channel] : channels) {
      lines_.emplace(neighbour, Line{channel, messages_between(schedule, neighbour, rank), 0, 0, {}});
    }
  }

  // The tensor that the action waits for; undefined at the ends of the model.
  at::Tensor take(const Action& action) {
    auto wanted = input_of(shape_, rank_, action);
    if (!wanted) return {};
    if (wanted->from == rank_) return take_local(*wanted);
    Line& line = lines_.at(wanted->from);
    while (!line.has_started(*wanted)) start_receive(line);
    for (size_t i = 0; i < kAhead; ++i) start_receive_ahead(line);
    auto found = line.arriving.find(key_of(*wanted));
    expect(found != line.arriving.end(), "a message is taken once");
    Arriving arriving = std::move(found->second);
    line.arriving.erase(found);
    ++line.taken;
    arriving.work->wait();
    return arriving.tensor;
  }

  void give(const Action& action, const at::Tensor& tensor) {
    auto message = output_of(shape_, rank_, action);
    if (!message) return;
    expect(tensor.defined() && tensor.sizes() == at::IntArrayRef(type_.shape) &&
               tensor.scalar_type() == at::typeMetaToScalarType(type_.options.dtype()),
           "stages hand on activations of the shape and type agreed");
    if (message->to == rank_) {
      local_[key_of(*message)] = tensor;
      return;
    }
    Line& line = lines_.at(message->to);
    at::Tensor sent = tensor.contiguous();
    leaving_.push_back({line.channel.out->send_async(sent, line.channel.peer), sent});
  }

  // Moves transfers on, and lets go of what has gone.
  void progress() {
    for (auto& [neighbour, line] : lines_) {
      for (auto& [key, arriving] : line.arriving) arriving.work->progress();
    }
    std::erase_if(leaving_, [](Leaving& leaving) { return leaving.work->progress(); });
  }

  void finish() {
    for (Leaving& leaving : leaving_) leaving.work->wait();
    leaving_.clear();
    expect(local_.empty(), "every message has been taken");
  }

  // The first receives, before there is anything else to do.
  void start() {
    for (auto& [neighbour, line] : lines_) {
      for (size_t i = 0; i < kAhead; ++i) start_receive_ahead(line);
    }
  }

 private:
  struct Arriving {
    std::unique_ptr<Work> work;
    at::Tensor tensor;
  };
  struct Leaving {
    std::unique_ptr<Work> work;
    at::Tensor tensor;  // kept until it has gone
  };
  // What comes from one neighbour.
  struct Line {
    Channel& channel;
    std::vector<Message> order;  // as it is sent
    size_t started, taken;       // messages
    std::map<Key, Arriving> arriving;

    bool has_started(const Message& message) const {
      auto end = order.begin() + static_cast<std::ptrdiff_t>(started);
      return std::find(order.begin(), end, message) != end;
    }
  };

  at::Tensor take_local(const Message& wanted) {
    auto found = local_.find(key_of(wanted));
    expect(found != local_.end(), "a stage of this rank has made what the next one takes");
    at::Tensor tensor = std::move(found->second);
    local_.erase(found);
    return tensor;
  }

  void start_receive(Line& line) {
    expect(line.started < line.order.size(), "the neighbour sends what is waited for");
    const Message& message = line.order[line.started++];
    at::Tensor tensor = at::empty(type_.shape, type_.options);
    line.arriving[key_of(message)] = {line.channel.in->recv_async(tensor, line.channel.peer), tensor};
  }

  void start_receive_ahead(Line& line) {
    if (line.started < line.order.size() && line.started < line.taken + 1 + kAhead) start_receive(line);
  }

  const ScheduleShape& shape_;
  int64_t rank_;
  const ActivationType& type_;
  std::map<int64_t, Line> lines_;    // by the neighbour's rank
  std::map<Key, at::Tensor> local_;  // between two stages of this rank
  std::deque<Leaving> leaving_;
};

PipelineEngine::PipelineEngine(Group& pipeline) : pipeline_(pipeline) {
  open_channels();
}

// Stages are neighbours in a ring of ranks. In each round the ring's edges are taken that share no rank, so
// that a round is one split.
void PipelineEngine::open_channels() {
  int64_t n = pipeline_.size(), mine = pipeline_.rank().value();
  int64_t edges = n > 2 ? n : n - 1;  // edge e joins ranks e and e + 1
  auto index = [](int64_t rank) { return static_cast<size_t>(rank); };
  auto round_of = [&](int64_t edge) { return edge + 1 == n && n % 2 == 1 ? 2 : edge % 2; };
  for (int64_t round = 0; round < 3; ++round) {
    std::vector<int64_t> edge_of(static_cast<size_t>(n), -1);  // by rank, in this round
    for (int64_t edge = 0; edge < edges; ++edge) {
      if (round_of(edge) == round) edge_of[index(edge)] = edge_of[index((edge + 1) % n)] = edge;
    }
    if (*std::max_element(edge_of.begin(), edge_of.end()) < 0) continue;
    // A rank without an edge is a group of its own.
    auto seating = [&](Rank rank) {
      int64_t edge = edge_of[index(rank.value())];
      return Seat{edge >= 0 ? edge : n + rank.value(), rank.value()};
    };
    auto up = pipeline_.split(seating, pipeline_.name() + " up");
    auto down = pipeline_.split(seating, pipeline_.name() + " down");
    int64_t edge = edge_of[index(mine)];
    if (edge < 0) continue;
    int64_t neighbour = edge == mine ? (edge + 1) % n : edge;
    bool lower = mine < neighbour;
    channels_[neighbour] = {lower ? std::move(up) : std::move(down), lower ? std::move(down) : std::move(up),
                            Rank(lower ? 1 : 0)};
  }
}

void PipelineEngine::agree(const Schedule& schedule, const ActivationType& type) {
  std::string mine = text_of(schedule, type);
  if (mine == agreed_) return;
  std::vector<std::string> all = gather_bytes(pipeline_, mine);
  for (size_t rank = 0; rank < all.size(); ++rank) {
    if (all[rank] == all[0]) continue;
    throw std::logic_error(fmt::format(
        "pipeline ranks 0 and {} are about to run different things:\n  {}\n  {}", rank, all[0], all[rank]));
  }
  agreed_ = std::move(mine);
}

void PipelineEngine::run(const Schedule& schedule, const ActivationType& type, const StageCalls& calls) {
  expect(schedule.shape.ranks == pipeline_.size(), "a schedule for the ranks that there are");
  agree(schedule, type);
  int64_t rank = pipeline_.rank().value();
  Run run(channels_, rank, schedule, type);
  run.start();
  for (const Action& action : schedule.ranks[static_cast<size_t>(rank)]) {
    at::Tensor input = run.take(action);
    switch (action.kind) {
      case ActionKind::kForward:
        run.give(action, calls.forward(action.chunk, action.microbatch, input));
        break;
      case ActionKind::kBackward:
      case ActionKind::kInputGradient:
        run.give(action, calls.backward(action, input));
        break;
      case ActionKind::kWeightGradient:
        calls.weights(action.chunk, action.microbatch);
        break;
    }
    run.progress();
  }
  run.finish();
}

}  // namespace sextant::parallel
