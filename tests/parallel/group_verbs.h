#pragma once

#include <vector>

#include "parallel/group.h"

namespace sextant::parallel {

// A check of a group's verbs that every backend has to pass: all ranks of the group call it together.
struct VerbCheck {
  const char* name;
  void (*run)(Group& group);
};

// Written once, run over threads (tests/parallel) and under mpirun (tests/mpi).
std::vector<VerbCheck> verb_checks();

}  // namespace sextant::parallel
