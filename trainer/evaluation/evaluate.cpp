#include "trainer/evaluation/evaluate.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "data/durable_file.h"
#include "parallel/agreement.h"
#include "parallel/base/error.h"
#include "parallel/base/seed.h"
#include "trainer/evaluation/measure.h"
#include "trainer/evaluation/program_grading.h"

namespace sextant::trainer {
namespace {

using nlohmann::ordered_json;

// Items that each copy of the model measures before the ranks meet: they wait for each other then, but a
// killed evaluation loses no more. Of short items so many more that a pass over the model has enough to do.
constexpr int64_t kItemsBetweenMeetings = 8;
constexpr size_t kBytesBetweenMeetings = 4096;

constexpr double kSecondsBetweenLines = 5;

// An item by its task and its place there.
struct ItemPlace {
  size_t task = 0, item = 0;
};

size_t bytes_to_read(const EvalItem& item) {
  if (item.options.empty()) return item.prompt.size();
  size_t bytes = item.options[0].context.size();
  for (const EvalOption& option : item.options) bytes += option.continuation.size();
  return bytes;
}

// Where the items that `copies` copies of the model measure before they meet end, from `first` on: of one
// task.
size_t next_meeting(const EvalSettings& settings, const EvalItems& items,
                    const std::vector<ItemPlace>& places, size_t first, size_t copies) {
  size_t task = places[first].task, last = first, bytes = 0;
  const EvalTask& what = settings.tasks(static_cast<int>(task));
  bool scored = what.kind() == EvalTask::multiple_choice || what.kind() == EvalTask::log_likelihood;
  auto few = static_cast<size_t>(std::max<int64_t>(1, kItemsBetweenMeetings / what.samples()));
  for (; last < places.size() && places[last].task == task; ++last) {
    bool enough = last - first >= copies * few;
    if (enough && (!scored || bytes >= copies * kBytesBetweenMeetings)) break;
    bytes += bytes_to_read(items[task][places[last].item]);
  }
  return last;
}

// What an item begins with that other items may have, too.
std::string_view kept_text(const EvalItem& item) {
  if (item.options.empty()) return {};
  return std::string_view(item.options[0].context).substr(0, item.options[0].kept_bytes);
}

// Those without a record: those that begin alike one after the other, and of these the longest first, so that
// ranks that measure side by side take about equally long. Rank 0 knows.
std::vector<ItemPlace> missing_items(const EvalSettings& settings, const EvalItems& items,
                                     const EvalRecords* records, parallel::Group& world) {
  std::string flags;
  for (size_t task = 0; records != nullptr && task < items.size(); ++task) {
    for (const EvalItem& item : items[task])
      flags += records->has(settings.tasks(static_cast<int>(task)).name(), item.index) ? '1' : '0';
  }
  flags = parallel::gather_bytes(world, flags)[0];
  std::vector<ItemPlace> missing;
  size_t at = 0;
  for (size_t task = 0; task < items.size(); ++task) {
    for (size_t item = 0; item < items[task].size(); ++item) {
      if (flags[at++] == '0') missing.push_back({task, item});
    }
  }
  std::stable_sort(missing.begin(), missing.end(), [&](const ItemPlace& a, const ItemPlace& b) {
    if (a.task != b.task) return a.task < b.task;
    const EvalItem &one = items[a.task][a.item], &other = items[b.task][b.item];
    if (int order = kept_text(one).compare(kept_text(other)); order != 0) return order < 0;
    return bytes_to_read(one) > bytes_to_read(other);
  });
  return missing;
}

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string hex(uint64_t number) {
  return fmt::format("{:016x}", number);
}

uint64_t texts_hash(const std::vector<EvalItem>& items) {
  uint64_t hash = stable_hash("items");
  auto add = [&](std::string_view text) {
    hash = stable_hash(text, stable_hash(std::to_string(text.size()), hash));
  };
  for (const EvalItem& item : items) {
    for (const std::string* text : {&item.prompt, &item.group, &item.cluster}) add(*text);
    for (const std::string& text : item.around_completion) add(text);
    for (const EvalOption& option : item.options) {
      for (const std::string* text : {&option.context, &option.continuation, &option.text}) add(*text);
    }
    for (int64_t gold : item.gold) add(std::to_string(gold));
    for (const std::string& ideal : item.ideals) add(ideal);
    for (const data::Message& message : item.messages) {
      add(data::name_of(message.role));
      add(message.content);
    }
  }
  return hash;
}

uint64_t weights_hash(const Manifest& checkpoint) {
  uint64_t weights = stable_hash("weights");
  for (const Manifest::Piece& piece : checkpoint.pieces()) {
    if (piece.name().starts_with("weights/")) weights = stable_hash(piece.SerializeAsString(), weights);
  }
  return weights;
}

// Programs of a task's records, where it has any: some at a time, so that no rank waits longer for the others
// than a few programs may take.
void run_programs(const EvalTools& tools, const EvalTask& task, std::vector<ordered_json>& records,
                  parallel::Group& world) {
  if (task.kind() != EvalTask::generation || task.grading() != EvalTask::execution) return;
  expect(tools.sandbox != nullptr, "a sandbox for tasks with programs");
  ProgramGrading grading(*tools.sandbox, task, records);
  for (bool more = true; more;) {
    bool left = false;
    parallel::together(world, [&] { left = grading.run_some(); });
    more = parallel::reduce_numbers(world, {left ? 1.0 : 0.0})[0] > 0;
  }
}

ordered_json endpoint_identity(const Endpoint& endpoint) {
  return {endpoint.url(), endpoint.model(), endpoint.texts()};
}

}  // namespace

ordered_json eval_identity(const EvalSettings& settings, const EvalItems& items, const Manifest& checkpoint,
                           const Manifest* judge) {
  ordered_json tasks = ordered_json::array();
  for (size_t i = 0; i < items.size(); ++i) {
    const EvalTask& task = settings.tasks(static_cast<int>(i));
    EvalTask words = task;  // what does not change the items' texts shows here
    if (words.has_judge()) words.mutable_judge()->clear_spec();
    for (const char* place : {"data", "shards"}) {
      words.GetReflection()->ClearField(&words, EvalTask::descriptor()->FindFieldByName(place));
    }
    tasks.push_back({{"name", task.name()},
                     {"items", items[i].size()},
                     {"texts", hex(texts_hash(items[i]))},
                     {"settings", hex(stable_hash(words.SerializeAsString()))}});
    if (task.kind() == EvalTask::generation && task.grading() == EvalTask::model_graded)
      tasks.back()["spec"] = hex(stable_hash(data::read_file(task.judge().spec())));
  }
  ordered_json identity{{"seed", settings.seed()}, {"tasks", tasks}};
  if (settings.endpoint().has_url()) {
    identity["endpoint"] = endpoint_identity(settings.endpoint());
  } else {
    identity["weights"] = hex(weights_hash(checkpoint));
  }
  if (judge != nullptr) identity["judge"] = hex(weights_hash(*judge));
  if (settings.judge().has_endpoint()) identity["judge"] = endpoint_identity(settings.judge().endpoint());
  return identity;
}

EvalOutcome evaluate_items(const EvalTools& tools, const EvalSettings& settings, const EvalItems& items,
                           const parallel::Mesh& mesh, parallel::Group& world, EvalRecords* records,
                           const std::function<void(const EvalProgress&)>& progress,
                           const std::function<bool()>& stop) {
  std::vector<ItemPlace> missing = missing_items(settings, items, records, world);
  int64_t copies = mesh.layout().data, copy = mesh.at().data;
  bool tells = mesh.model().rank() == Rank(0);  // one of the ranks that hold this copy
  EvalProgress state;
  for (const auto& task : items) state.of += std::ssize(task);
  int64_t before = state.of - std::ssize(missing);
  double start = now_seconds(), told = start;
  for (size_t first = 0, last = 0; first < missing.size(); first = last) {
    const EvalTask& task = settings.tasks(static_cast<int>(missing[first].task));
    last = next_meeting(settings, items, missing, first, static_cast<size_t>(copies));
    std::vector<ordered_json> measured;
    parallel::together(world, [&] {
      std::vector<const EvalItem*> mine;
      for (size_t i = first + static_cast<size_t>(copy); i < last; i += static_cast<size_t>(copies))
        mine.push_back(&items[missing[i].task][missing[i].item]);
      measured = measure_items(tools.model, tools.judge, settings, task, mine);
    });
    if (!tells) measured.clear();
    run_programs(tools, task, measured, world);
    std::string lines;
    for (const ordered_json& record : measured) lines += record_line(record);
    bool stopping = false;
    std::vector<std::string> all = parallel::gather_bytes(world, lines);
    parallel::together(world, [&] {
      if (records == nullptr) return;
      std::string joined;
      for (const std::string& some : all) joined += some;
      records->add(joined);
      stopping = stop();
      state.done = before + static_cast<int64_t>(last);
      double now = now_seconds();
      state.items_per_second = static_cast<double>(last) / std::max(1e-9, now - start);
      if (now - told < kSecondsBetweenLines && last < missing.size()) return;
      told = now;
      progress(state);
    });
    if (parallel::reduce_numbers(world, {stopping ? 1.0 : 0.0})[0] > 0 && last < missing.size())
      return EvalOutcome::kStopped;
  }
  return EvalOutcome::kFinished;
}

}  // namespace sextant::trainer
