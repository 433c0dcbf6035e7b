#pragma once

#include <memory>
#include <optional>
#include <string>

#include "parallel/group.h"
#include "parallel/watchdog.h"

// Groups whose CUDA tensors travel by NCCL. The header is the same in every build; CMake picks group_nccl.cpp
// or, where SEXTANT_CUDA is off, group_nccl_absent.cpp.
namespace sextant::parallel {

// This build has NCCL and this process sees a GPU.
bool nccl_available();

// Why the ranks of `group` can not talk by NCCL with the devices they have chosen, or nothing when they can:
// a build or a rank without CUDA, or two ranks on one GPU. The answer is the same on every rank; all must
// call. Where there is an obstacle, `group` itself (MPI) carries CUDA tensors through host memory.
std::optional<std::string> nccl_obstacle(Group& group);

// The ranks of `bootstrap` over NCCL, on each rank's current CUDA device. CUDA tensors travel on a stream of
// the group's own: a verb waits for what the current stream has queued, wait() makes the current stream wait
// for the verb. CPU tensors and barriers go over a group split off `bootstrap`. Sends and receives are queued
// and leave together with the next wait(), progress() or collective, so that a ring of them can not block.
//
// A thread watches what is on the device against the watchdog's deadline. All ranks must call. Throws
// Error(kEnvironment) with the obstacle where there is one.
std::unique_ptr<Group> nccl_group(Group& bootstrap, std::shared_ptr<Watchdog> watchdog);

}  // namespace sextant::parallel
