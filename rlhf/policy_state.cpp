#include <bit>

#include "parallel/base/error.h"
#include "rlhf/policy.h"
#include "rlhf/policy_counters.h"
#include "trainer/state.h"

namespace sextant::rlhf {

std::vector<trainer::StateTensor> policy_state(trainer::Assembly& policy, trainer::Assembly* value,
                                               const MovingAverage& average) {
  std::vector<trainer::StateTensor> state = trainer::training_state(policy.step());
  if (value != nullptr) {
    for (trainer::StateTensor& tensor : trainer::training_state(value->step())) {
      tensor.name = "value/" + tensor.name;
      state.push_back(std::move(tensor));
    }
  }
  for (trainer::StateTensor& tensor : average.state()) state.push_back(std::move(tensor));
  return state;
}

void record_policy(trainer::Assembly* value, const KlController& kl, trainer::Manifest& header) {
  auto& counters = *header.mutable_counters();
  counters[kKlCoefficient] = std::bit_cast<int64_t>(kl.coefficient());
  if (value == nullptr) return;
  counters[kValueUpdates] = value->step().optimizer().updates();
  if (auto exponent = value->step().quantum().exponent()) counters[kValueExponent] = *exponent;
}

int64_t restore_policy(const trainer::CheckpointReader& reader, trainer::Assembly& policy,
                       trainer::Assembly* value, const MovingAverage& average, KlController& kl) {
  const auto& counters = reader.manifest().counters();
  require(counters.contains(kKlCoefficient), reader.folder().string() +
                                                 ": no checkpoint of sextant ppo or grpo; give another "
                                                 "run.folder");
  require((value != nullptr) == counters.contains(kValueUpdates),
          reader.folder().string() +
              (value != nullptr ? ": was made without a value model" : ": has a value model") +
              ", so that ppo.advantages can not be changed here; give another run.folder");
  trainer::restore_training(reader, policy.step());
  for (trainer::StateTensor& tensor : policy_state(policy, value, average)) {
    if (tensor.name.starts_with("value/") || tensor.name.starts_with("average/")) reader.read(tensor);
  }
  kl.restore(std::bit_cast<double>(static_cast<int64_t>(counters.at(kKlCoefficient))));
  if (value != nullptr) value->step().optimizer().set_updates(counters.at(kValueUpdates));
  if (value != nullptr && counters.contains(kValueExponent))
    value->step().quantum().restore(counters.at(kValueExponent));
  return reader.manifest().tokens();
}

}  // namespace sextant::rlhf
