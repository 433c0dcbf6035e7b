#pragma once

#include <optional>
#include <string>
#include <vector>

#include "parallel/group.h"
#include "rlhf/experience.pb.h"
#include "rlhf/prompts.h"
#include "rlhf/rubric.h"
#include "rlhf/safety.pb.h"
#include "rlhf/safety_shares.h"
#include "rlhf/talking_model.h"
#include "trainer/config/complaint.h"

namespace sextant::rlhf {

// What one model answered.
struct ModelAnswers {
  std::string name;
  std::string checkpoint;         // the step folder
  std::vector<Episode> episodes;  // graded; prompt after prompt, each with all of its answers
  std::optional<double> loss;     // nats a token of the held-out text
};

// What is wrong across the settings.
std::vector<trainer::Complaint> safety_complaints(const SafetyRun& run);

// Throws Error(kInput) when a measure counts by a source that the rubric has not, or by none of the prompts.
void check_measures(const SafetySettings& settings, const std::vector<std::string>& sources,
                    const PromptSet& prompts);

// Draws and grades the answers of a model that is whole on each rank. Ranks share the prompts and each gets
// all answers, which do not depend on the number of ranks. All ranks of the world must call.
std::vector<Episode> answer_prompts(const SafetySettings& settings, const TalkingModel& model,
                                    const PromptSet& prompts, const RubricScorer& rubric,
                                    parallel::Group& world);

// Mean loss of the held-out shards' first rows of `context` tokens. All ranks of the world must call.
double held_out_loss_of(const SafetySettings& settings, const TalkingModel& model, int64_t context,
                        parallel::Group& world);

// Which of the answers to its classes a measure counts. Throws Error(kInput) where a source does not grade
// one of these classes.
Counted counted(const SafetyMeasure& measure, const std::vector<Episode>& episodes);

}  // namespace sextant::rlhf
