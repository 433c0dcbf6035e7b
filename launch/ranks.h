#pragma once

#include <functional>

#include "parallel/group_mpi.h"

namespace sextant::launch {

// This process's rank as the launcher's environment tells it (mpirun, srun), before MPI is open; 0 without a
// launcher.
int launcher_rank();

// Prints an error on stderr, as the one rank that speaks.
void report(const std::exception& error);

// For mistakes that every rank finds by itself before MPI is open, such as one in the YAML file: rank 0
// speaks, the others leave it the time to.
void report_before_ranks_meet(const std::exception& error);

// Opens MPI and runs `body` on this rank. An AgreedError is reported by rank 0 and every rank leaves in good
// order; any other exception is reported by this rank, unless another one is quicker, and ends the whole
// world. Returns the exit code.
int run_on_ranks(const std::function<int(parallel::MpiSession&, parallel::Group& world)>& body);

}  // namespace sextant::launch
