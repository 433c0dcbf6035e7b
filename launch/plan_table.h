#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "parallel/layout.h"
#include "trainer/plan/rehearsal.h"
#include "trainer/plan/step_time.h"

namespace sextant::launch {

inline constexpr double kGib = 1 << 30;

// A layout with what was found out about it.
struct Planned {
  parallel::MeshSettings mesh;
  parallel::Layout layout;
  bool own = false;  // the file's
  trainer::RankBytes bytes;
  trainer::StepTime time;
  double tokens_per_second = 0;
  bool fits = true;
  bool rehearsed = false;
  std::string note;  // why it was not rehearsed
};

// What `sextant plan` has to say.
struct PlanReport {
  std::vector<Planned> layouts;  // the best first
  int64_t ranks = 1, ranks_on_machine = 1;
  double memory_bytes = 0;  // of a rank
  int64_t steps = 1;        // of the run
  std::string own_reason;   // why the file's layout is what it is, where it was left to us
};

// "data=4 tensor=2 zero=1": the axes that have more than one rank, and data.
std::string axes_text(const parallel::Layout& layout);

// For the terminal: a line a layout, then what to do.
std::string plan_table(const PlanReport& report);
// For programs.
std::string plan_json(const PlanReport& report);

}  // namespace sextant::launch
