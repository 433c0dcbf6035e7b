#include "parallel/schedule.h"

#include <fmt/format.h>

#include <algorithm>

#include "parallel/base/error.h"
#include "parallel/base/options.pb.h"

namespace sextant::parallel {
namespace {

bool is_v(const ScheduleShape& shape) {
  return shape.kind == MeshSettings::zero_bubble_v;
}

// One rank's list under construction. Each verb takes the next microbatch of a chunk, and does nothing when
// there is none left.
class RankList {
 public:
  RankList(int64_t chunks, int64_t microbatches)
      : microbatches_(microbatches),
        forwards_(static_cast<size_t>(chunks)),
        backwards_(static_cast<size_t>(chunks)) {}

  void forward(int64_t chunk) { next(forwards_, ActionKind::kForward, chunk); }
  void backward(int64_t chunk) { next(backwards_, ActionKind::kBackward, chunk); }
  void input_gradient(int64_t chunk) {
    if (!next(backwards_, ActionKind::kInputGradient, chunk)) return;
    weights_.push_back({ActionKind::kWeightGradient, chunk, actions_.back().microbatch});
  }
  // The oldest weight gradient that has not been made.
  void weight_gradient() {
    if (made_ < weights_.size()) actions_.push_back(weights_[made_++]);
  }
  void all_weight_gradients() {
    while (made_ < weights_.size()) weight_gradient();
  }

  bool forwards_left(int64_t chunk) const { return forwards_[static_cast<size_t>(chunk)] < microbatches_; }
  int64_t forwards(int64_t chunk) const { return forwards_[static_cast<size_t>(chunk)]; }
  std::vector<Action> take() { return std::move(actions_); }

 private:
  bool next(std::vector<int64_t>& counts, ActionKind kind, int64_t chunk) {
    int64_t& count = counts[static_cast<size_t>(chunk)];
    if (count == microbatches_) return false;
    actions_.push_back({kind, chunk, count++});
    return true;
  }

  int64_t microbatches_;
  std::vector<int64_t> forwards_, backwards_;  // done, by chunk
  std::vector<Action> actions_, weights_;
  size_t made_ = 0;  // of weights_
};

std::vector<Action> gpipe(const ScheduleShape& shape) {
  RankList list(1, shape.microbatches);
  for (int64_t i = 0; i < shape.microbatches; ++i) list.forward(0);
  for (int64_t i = 0; i < shape.microbatches; ++i) list.backward(0);
  return list.take();
}

std::vector<Action> one_forward_one_backward(const ScheduleShape& shape, int64_t rank) {
  RankList list(1, shape.microbatches);
  for (int64_t i = 0; i < shape.ranks - rank; ++i) list.forward(0);
  for (int64_t i = 0; i < shape.microbatches; ++i) {
    list.backward(0);
    list.forward(0);
  }
  return list.take();
}

// Microbatches of each turn: as many turns of at least `ranks` as there can be.
std::vector<int64_t> turns(const ScheduleShape& shape) {
  int64_t count = std::max<int64_t>(1, shape.microbatches / shape.ranks);
  std::vector<int64_t> lengths(static_cast<size_t>(count), shape.microbatches / count);
  for (int64_t i = 0; i < shape.microbatches % count; ++i) ++lengths[static_cast<size_t>(i)];
  return lengths;
}

// Chunk by chunk within each turn: the order of forwards, and, from the last chunk back, of backwards.
std::vector<Action> in_turns(const ScheduleShape& shape, ActionKind kind) {
  std::vector<Action> order;
  int64_t first = 0;
  for (int64_t length : turns(shape)) {
    for (int64_t c = 0; c < shape.chunks; ++c) {
      int64_t chunk = kind == ActionKind::kForward ? c : shape.chunks - 1 - c;
      for (int64_t i = first; i < first + length; ++i) order.push_back({kind, chunk, i});
    }
    first += length;
  }
  return order;
}

std::vector<Action> interleaved(const ScheduleShape& shape, int64_t rank) {
  std::vector<Action> forwards = in_turns(shape, ActionKind::kForward);
  std::vector<Action> backwards = in_turns(shape, ActionKind::kBackward);
  int64_t longest = turns(shape).front();
  auto early = static_cast<size_t>((shape.ranks - 1 - rank) * 2 + (shape.chunks - 1) * longest);
  early = std::min(early, forwards.size());
  std::vector<Action> list(forwards.begin(), forwards.begin() + static_cast<std::ptrdiff_t>(early));
  for (size_t i = 0; i < backwards.size(); ++i) {
    if (early + i < forwards.size()) list.push_back(forwards[early + i]);
    list.push_back(backwards[i]);
  }
  return list;
}

std::vector<Action> zero_bubble(const ScheduleShape& shape, int64_t rank) {
  RankList list(1, shape.microbatches);
  for (int64_t i = 0; i < shape.ranks - rank; ++i) list.forward(0);
  for (int64_t i = 0; i < shape.microbatches; ++i) {
    list.input_gradient(0);
    if (i >= rank) list.weight_gradient();
    list.forward(0);
  }
  list.all_weight_gradients();
  return list.take();
}

// Chunk 0 goes down the V, chunk 1 comes up.
std::vector<Action> zero_bubble_v(const ScheduleShape& shape, int64_t rank) {
  RankList list(2, shape.microbatches);
  int64_t below = shape.ranks - rank;  // ranks from here to the tip, this one included
  for (int64_t i = 0; i < 2 * below - 1; ++i) list.forward(0);
  for (int64_t i = 0; i < rank; ++i) {
    list.forward(1);
    list.forward(0);
  }
  auto up = [&] {
    list.forward(1);
    list.input_gradient(1);
    list.weight_gradient();
  };
  for (int64_t i = 0; i < below; ++i) up();
  // Steady: one microbatch down and back, one up and back.
  while (list.forwards_left(0) || list.forwards(1) < list.forwards(0)) {
    list.forward(0);
    list.input_gradient(0);
    list.weight_gradient();
    up();
  }
  for (int64_t i = 0; i < rank; ++i) {
    list.input_gradient(0);
    list.input_gradient(1);
  }
  for (int64_t i = 0; i < below; ++i) {
    list.input_gradient(0);
    list.weight_gradient();
  }
  list.all_weight_gradients();
  return list.take();
}

std::vector<Action> actions_of(const ScheduleShape& shape, int64_t rank) {
  switch (shape.kind) {
    case MeshSettings::gpipe:
      return gpipe(shape);
    case MeshSettings::one_forward_one_backward:
      return one_forward_one_backward(shape, rank);
    case MeshSettings::interleaved:
      return interleaved(shape, rank);
    case MeshSettings::zero_bubble:
      return zero_bubble(shape, rank);
    case MeshSettings::zero_bubble_v:
      return zero_bubble_v(shape, rank);
  }
  return {};
}

Message message(const ScheduleShape& shape, Cargo cargo, int64_t from, int64_t to, int64_t microbatch) {
  return {cargo, to, microbatch, place_of(shape, from).rank, place_of(shape, to).rank};
}

}  // namespace

ScheduleShape schedule_shape(const MeshSettings& settings, int64_t microbatches) {
  bool two =
      settings.schedule() == MeshSettings::interleaved || settings.schedule() == MeshSettings::zero_bubble_v;
  int64_t chunks = settings.has_chunks() ? settings.chunks() : (two ? 2 : 1);
  return {settings.schedule(), settings.pipeline(), chunks, microbatches};
}

std::string schedule_fault(const ScheduleShape& shape) {
  bool round = shape.kind == MeshSettings::interleaved, v = shape.kind == MeshSettings::zero_bubble_v;
  int64_t least = round || v ? 2 : 1;
  if (shape.chunks == least || (round && shape.chunks > least)) return "";
  return fmt::format(
      "the {} schedule has {} chunk{} a rank{}, but parallel.chunks is {}; set parallel.chunks={}{}",
      schedule_name(shape.kind), least, least == 1 ? "" : "s", round ? " or more" : "", shape.chunks, least,
      round || v ? "" : ", or parallel.schedule=interleaved");
}

StagePlace place_of(const ScheduleShape& shape, int64_t stage) {
  int64_t round = stage / shape.ranks, step = stage % shape.ranks;
  bool up = is_v(shape) && round == 1;
  return {up ? shape.ranks - 1 - step : step, round};
}

int64_t stage_of(const ScheduleShape& shape, int64_t rank, int64_t chunk) {
  bool up = is_v(shape) && chunk == 1;
  return chunk * shape.ranks + (up ? shape.ranks - 1 - rank : rank);
}

Schedule make_schedule(const ScheduleShape& shape) {
  expect(shape.ranks > 0 && shape.chunks > 0 && shape.microbatches > 0, "a schedule has something to do");
  if (std::string fault = schedule_fault(shape); !fault.empty()) fail_input(fault);
  Schedule schedule{shape, {}};
  for (int64_t rank = 0; rank < shape.ranks; ++rank) schedule.ranks.push_back(actions_of(shape, rank));
  return schedule;
}

Schedule forward_schedule(const ScheduleShape& shape) {
  Schedule schedule{shape, {}};
  for (int64_t rank = 0; rank < shape.ranks; ++rank) {
    schedule.ranks.push_back(in_turns(shape, ActionKind::kForward));
  }
  return schedule;
}

const std::string& schedule_name(MeshSettings::Schedule kind) {
  const auto* value = MeshSettings::Schedule_descriptor()->FindValueByNumber(kind);
  const std::string& given = value->options().GetExtension(yaml_name);
  return given.empty() ? value->name() : given;
}

std::string action_text(const ScheduleShape& shape, const Action& action) {
  constexpr const char* kLetters = "FBIW";
  std::string text = fmt::format("{}{}", kLetters[static_cast<int>(action.kind)], action.microbatch);
  if (shape.chunks > 1) text += fmt::format("{}", static_cast<char>('a' + action.chunk));
  return text;
}

std::optional<Message> input_of(const ScheduleShape& shape, int64_t rank, const Action& action) {
  int64_t stage = stage_of(shape, rank, action.chunk);
  switch (action.kind) {
    case ActionKind::kForward:
      if (stage == 0) return std::nullopt;
      return message(shape, Cargo::kActivation, stage - 1, stage, action.microbatch);
    case ActionKind::kBackward:
    case ActionKind::kInputGradient:
      if (stage + 1 == shape.stages()) return std::nullopt;
      return message(shape, Cargo::kGradient, stage + 1, stage, action.microbatch);
    case ActionKind::kWeightGradient:
      return std::nullopt;
  }
  return std::nullopt;
}

std::optional<Message> output_of(const ScheduleShape& shape, int64_t rank, const Action& action) {
  int64_t stage = stage_of(shape, rank, action.chunk);
  switch (action.kind) {
    case ActionKind::kForward:
      if (stage + 1 == shape.stages()) return std::nullopt;
      return message(shape, Cargo::kActivation, stage, stage + 1, action.microbatch);
    case ActionKind::kBackward:
    case ActionKind::kInputGradient:
      if (stage == 0) return std::nullopt;
      return message(shape, Cargo::kGradient, stage, stage - 1, action.microbatch);
    case ActionKind::kWeightGradient:
      return std::nullopt;
  }
  return std::nullopt;
}

std::vector<Message> messages_between(const Schedule& schedule, int64_t from, int64_t to) {
  std::vector<Message> sent;
  for (const Action& action : schedule.ranks[static_cast<size_t>(from)]) {
    auto message = output_of(schedule.shape, from, action);
    if (message && message->to == to) sent.push_back(*message);
  }
  return sent;
}

}  // namespace sextant::parallel
