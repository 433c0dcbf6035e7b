#pragma once

#include <vector>

#include "rlhf/ppo.pb.h"
#include "trainer/checkpoint/checkpoint.h"
#include "trainer/config/complaint.h"
#include "trainer/run.pb.h"

namespace sextant::rlhf {

// What is wrong across the fields of a run of PPO beside what is wrong with any run.
std::vector<trainer::Complaint> ppo_complaints(const PpoRun& settings);

// Whether advantages are over a value model that learns beside the policy.
bool has_values(const PpoSettings& settings);

// Throws Error(kInput) when a reward model can not score the policy's answers: another tokenizer, no scalar
// head, a shorter context, a shape that the policy's ranks can not share.
void check_reward_model(const trainer::CheckpointReader& reward, const trainer::Run& policy,
                        uint64_t tokenizer_fingerprint);

// The run that the value model is trained by: the policy's, with the value learning rate, a scalar head and
// the shape of the reward model, where there is one. `policy` is complete.
trainer::Run value_run(const PpoRun& settings, const trainer::Run& policy,
                       const trainer::CheckpointReader* reward);

}  // namespace sextant::rlhf
