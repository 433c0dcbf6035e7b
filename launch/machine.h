#pragma once

#include <ATen/core/Tensor.h>

#include "parallel/group_mpi.h"
#include "trainer/automatic_layout.h"
#include "trainer/run.pb.h"

namespace sextant::launch {

// Gives this rank its share of the machine's cores, unless OMP_NUM_THREADS says how many threads it may have.
// Returns the number.
int share_out_threads(int64_t ranks_on_machine);

// The device that a run asks for: the CPU, or this rank's GPU. Throws Error(kInput) when there is none.
at::Device choose_device(trainer::RunSettings::Device wanted, const parallel::MpiSession& session);

// What the world's ranks have of these devices: the least of any rank. All ranks must call.
trainer::RankResources resources_of(parallel::Group& world, const parallel::MpiSession& session,
                                    at::Device device);

// Cores that this process may run on.
int64_t cores_allowed();
// Bytes of memory of the device: of the CPU the machine's.
double memory_of_machine(at::Device device);

// The first GPU where there is one, else the CPU: for commands that one process runs.
at::Device best_device();

}  // namespace sextant::launch
