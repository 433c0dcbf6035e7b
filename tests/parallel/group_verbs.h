#pragma once

#include <ostream>
#include <vector>

#include "parallel/group.h"

namespace sextant::parallel {

// A check of a group's verbs that every backend has to pass: all ranks of the group call it together.
struct VerbCheck {
  const char* name;
  void (*run)(Group& group);

  // How GoogleTest shows it.
  friend void PrintTo(const VerbCheck& check, std::ostream* out) { *out << check.name; }
};

// Written once, run over threads (tests/parallel) and under mpirun (tests/mpi).
std::vector<VerbCheck> verb_checks();

}  // namespace sextant::parallel
