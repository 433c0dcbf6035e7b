#include "trainer/state.h"

#include <fmt/format.h>

#include "parallel/base/error.h"

namespace sextant::trainer {
namespace {

constexpr const char* kUpdates = "optimizer_updates";
constexpr const char* kLeftOut = "updates_left_out_in_a_row";

void read_all(const CheckpointReader& reader, std::vector<StateTensor> state) {
  for (StateTensor& tensor : state) reader.read(tensor);
}

}  // namespace

std::vector<StateTensor> weights_state(const ParameterList& parameters) {
  std::vector<StateTensor> state;
  for (const auto& parameter : parameters) {
    state.push_back({"weights/" + parameter->name, parameter->shape, parameter->slice(), parameter->master});
  }
  return state;
}

std::vector<StateTensor> training_state(const ParameterList& parameters, const Optimizer& optimizer) {
  auto state = weights_state(parameters);
  for (StateTensor& tensor : optimizer.state()) state.push_back(std::move(tensor));
  return state;
}

void record_counters(const Optimizer& optimizer, const Guard& guard, Manifest& header) {
  (*header.mutable_counters())[kUpdates] = optimizer.updates();
  (*header.mutable_counters())[kLeftOut] = guard.in_a_row();
}

int64_t recorded_updates_left_out(const Manifest& manifest) {
  auto found = manifest.counters().find(kLeftOut);
  return found == manifest.counters().end() ? 0 : found->second;
}

void restore_weights(const CheckpointReader& reader, const ParameterList& parameters) {
  read_all(reader, weights_state(parameters));
  parameters.refresh_values();
}

void restore_training(const CheckpointReader& reader, const ParameterList& parameters, Optimizer& optimizer) {
  read_all(reader, training_state(parameters, optimizer));
  parameters.refresh_values();
  const auto& counters = reader.manifest().counters();
  auto updates = counters.find(kUpdates);
  if (updates == counters.end()) {
    fail_input(fmt::format("{}: the manifest has no counter {}; was it saved by a training run?",
                           reader.folder().string(), kUpdates));
  }
  optimizer.set_updates(updates->second);
}

}  // namespace sextant::trainer
