#pragma once

#include <string>
#include <vector>

#include "data/chat/chat_template.h"
#include "rlhf/experience.pb.h"
#include "rlhf/ppo_losses.h"
#include "trainer/optimizer/optimizer.pb.h"

// What must hold in the first step of a run that nothing is wrong with. Each throws Error(kInput) that says
// what it means and what to change; what only may be a fault is returned as a line to tell.
namespace sextant::rlhf {

// A prompt and an answer, rendered apart, are the conversation rendered as a whole.
void check_template(const data::ChatTemplate& form);

// Of the answers of the first step, scored: the reference is the policy, sampling and training agree (at
// every token, in bf16 on average), some answer ends, scores differ.
std::vector<std::string> check_first_episodes(const std::vector<Episode>& episodes,
                                              trainer::NumericsSettings::Compute compute, double temperature);

// Of the first update, before which nothing had changed: ratios are 1.
void check_first_update(const UpdateSums& sums, trainer::NumericsSettings::Compute compute);

// And the value model's errors are of the size of the returns.
std::vector<std::string> check_first_values(double value_loss, double return_square);

// Where advantages are made inside groups, of which this share has equal scores: some group has not.
std::vector<std::string> check_groups(double equal_groups);

}  // namespace sextant::rlhf
