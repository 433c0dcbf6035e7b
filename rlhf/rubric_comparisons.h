#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/chat/chat.pb.h"
#include "parallel/group.h"
#include "rlhf/hinge_fit.h"
#include "rlhf/rubric_features.h"
#include "rlhf/talking_model.h"

namespace sextant::rlhf {

// Reads comparisons and makes features of their answers; `model` scores them beside, null: each 0. Ranks
// share the work, and each gets the whole. Throws Error(kInput) naming file and line, AgreedError on every
// rank. All ranks of the world must call.
ComparedFeatures compared_features(const std::vector<std::filesystem::path>& files,
                                   const data::ChatSettings& chat, const RubricFeatures& features,
                                   const TalkingModel* model, parallel::Group& world);

}  // namespace sextant::rlhf
