#pragma once

#include "rlhf/divergence.h"
#include "trainer/checkpoint/checkpoint.pb.h"
#include "trainer/step.h"

namespace sextant::rlhf {

// What a checkpoint of PPO counts beside a training run's own.
inline constexpr const char* kValueUpdates = "value_optimizer_updates";
inline constexpr const char* kValueExponent = "value_reduction_exponent";
inline constexpr const char* kKlCoefficient = "kl_coefficient_bits";  // of the fp64 number

void record_policy(const trainer::TrainStep& value, const KlController& kl, trainer::Manifest& header);

}  // namespace sextant::rlhf
