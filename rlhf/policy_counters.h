#pragma once

#include "rlhf/divergence.h"
#include "trainer/assembly.h"
#include "trainer/checkpoint/checkpoint.pb.h"

namespace sextant::rlhf {

// What a checkpoint of PPO counts beside a training run's own.
inline constexpr const char* kValueUpdates = "value_optimizer_updates";
inline constexpr const char* kValueExponent = "value_reduction_exponent";
inline constexpr const char* kKlCoefficient = "kl_coefficient_bits";  // of the fp64 number

// `value` null: none.
void record_policy(trainer::Assembly* value, const KlController& kl, trainer::Manifest& header);

}  // namespace sextant::rlhf
