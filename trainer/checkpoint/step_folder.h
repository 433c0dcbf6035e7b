#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "trainer/checkpoint/checkpoint.h"

namespace sextant::trainer {

// The folder of a published checkpoint: "step-00000100".
std::string step_folder_name(int64_t step);
// The step of such a name; none for any other name.
std::optional<int64_t> step_of_folder(const std::string& name);
// Where a save of that step is written before it is published: ".saving-step-00000100".
std::string saving_folder_name(int64_t step);

// The steps published in a checkpoints folder, in rising order; none when the folder is absent.
std::vector<int64_t> published_steps(const std::filesystem::path& checkpoints);

// The step folder that a user means by a step folder, a checkpoints folder or a run folder. Throws
// Error(kInput).
std::filesystem::path resolve_checkpoint(const std::filesystem::path& folder);

// Makes what a finished save wrote the checkpoint of its step, by one rename; another of the same step is
// replaced. Durable when it returns.
void publish_step(const std::filesystem::path& checkpoints, int64_t step);

// The published steps, in rising order, that retention lets go of. `newest` always stays.
std::vector<int64_t> steps_to_remove(const std::vector<int64_t>& published, int64_t newest,
                                     const Retention& retention);

// Takes a checkpoint's name away at once, so that nobody finds a half removed one; its bytes stay until
// remove_left_overs().
void retire_step(const std::filesystem::path& checkpoints, int64_t step);

// Removes retired checkpoints. With LeftOvers::kDeadSaves also what saves that never ended left behind: only
// for who knows that no save is under way.
enum class LeftOvers { kRetired, kDeadSaves };
void remove_left_overs(const std::filesystem::path& checkpoints, LeftOvers which);

}  // namespace sextant::trainer
