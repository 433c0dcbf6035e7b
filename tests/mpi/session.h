#pragma once

#include "parallel/group_mpi.h"

namespace sextant::parallel {

// The session that main opened: MPI allows one a process.
MpiSession& session();

}  // namespace sextant::parallel
