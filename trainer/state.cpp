#include "trainer/state.h"

#include <fmt/format.h>

#include <optional>

#include "parallel/base/error.h"

namespace sextant::trainer {
namespace {

constexpr const char* kUpdates = "optimizer_updates";
constexpr const char* kLeftOut = "updates_left_out_in_a_row";
constexpr const char* kExponent = "reduction_exponent";

void read_all(const CheckpointReader& reader, std::vector<StateTensor> state) {
  for (StateTensor& tensor : state) reader.read(tensor);
}

std::vector<StateTensor> weights_state(const std::vector<OwnedPiece>& pieces,
                                       const ParameterList& parameters) {
  std::vector<StateTensor> state;
  for (const OwnedPiece& piece : pieces) {
    for (StateTensor& box : weight_state(piece)) state.push_back(std::move(box));
  }
  for (const Buffer& buffer : parameters.buffers()) {
    auto shape = buffer.numbers.sizes().vec();
    parallel::Slice whole{std::vector<int64_t>(shape.size()), shape};
    state.push_back({"weights/" + buffer.name, shape, whole, buffer.numbers});
  }
  return state;
}

std::optional<int64_t> counter(const Manifest& manifest, const char* name) {
  auto found = manifest.counters().find(name);
  if (found == manifest.counters().end()) return std::nullopt;
  return found->second;
}

}  // namespace

std::vector<StateTensor> training_state(const TrainStep& step) {
  auto state = weights_state(step.pieces(), step.model().parameters());
  for (StateTensor& tensor : step.optimizer().state()) state.push_back(std::move(tensor));
  return state;
}

void record_counters(const TrainStep& step, const Guard& guard, Manifest& header) {
  auto& counters = *header.mutable_counters();
  counters[kUpdates] = step.optimizer().updates();
  counters[kLeftOut] = guard.in_a_row();
  if (auto exponent = step.quantum().exponent()) counters[kExponent] = *exponent;
}

int64_t recorded_updates_left_out(const Manifest& manifest) {
  return counter(manifest, kLeftOut).value_or(0);
}

void restore_weights(const CheckpointReader& reader, const ParameterList& parameters) {
  read_all(reader, weights_state(whole_pieces(parameters), parameters));
  parameters.refresh_values();
}

void restore_pieces(const CheckpointReader& reader, const std::vector<OwnedPiece>& pieces,
                    const ParameterList& parameters) {
  read_all(reader, weights_state(pieces, parameters));
}

void restore_weights(const CheckpointReader& reader, const TrainStep& step) {
  restore_pieces(reader, step.pieces(), step.model().parameters());
}

void restore_training(const CheckpointReader& reader, TrainStep& step) {
  read_all(reader, training_state(step));
  auto updates = counter(reader.manifest(), kUpdates);
  if (!updates) {
    fail_input(fmt::format("{}: the manifest has no counter {}; was it saved by a training run?",
                           reader.folder().string(), kUpdates));
  }
  step.optimizer().set_updates(*updates);
  step.quantum().restore(counter(reader.manifest(), kExponent));
}

}  // namespace sextant::trainer
