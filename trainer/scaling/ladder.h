#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "trainer/config/complaint.h"
#include "trainer/run.pb.h"
#include "trainer/scaling/ladder.pb.h"

namespace sextant::trainer {

// One run of a ladder, before it starts.
struct LadderRun {
  std::string name;
  Run run;                   // complete but for what the ranks decide; a rung's folder is FOLDER/NAME
  double parameters = 0;     // all of the model's, embeddings too
  double tokens = 0;         // in whole updates
  double flops = 0;          // tokens x training_flops_per_token (trainer/model/flops.h)
  double non_embedding = 0;  // parameters without embeddings and output layer
};

struct Ladder {
  std::vector<LadderRun> rungs;
  LadderRun target;           // the base: the big run that the rungs are to predict
  double rung_flops() const;  // of all rungs together
};

// A run as a point of a scaling law. `run` needs no more than its YAML says; `vocabulary` is the tokenizer's.
LadderRun measured_out(const std::string& name, const Run& run, int64_t vocabulary);

// What is wrong with a ladder by itself: fewer rungs than a law wants, names that can be no folders.
std::vector<Complaint> ladder_complaints(const ScalingLadder& ladder);

// The runs of a ladder: `base` (the big run; overrides for all rungs not applied) at each width and depth, as
// many steps as a rung's tokens are updates, warm-up and decay in the same share of them. `settings` is the
// base with the overrides. Throws Error(kInput) naming the rung where its settings do not hold together, two
// have one name, a rung is no smaller than the base, or nothing is held out to measure on.
Ladder plan_ladder(const ScalingLadder& ladder, const Run& base, const Run& settings, int64_t vocabulary);

// The plan as a table: parameters, tokens, steps, FLOPs and their share of the target's. `hours` may be
// empty, else it has one for each rung and the target, on one rank of this machine.
std::string ladder_table(const Ladder& ladder, const std::vector<double>& hours = {});

// name,parameters,non_embedding,tokens,flops,loss: a line for each rung, floats in 17 digits.
std::string ladder_points_csv(const Ladder& ladder, const std::vector<double>& losses);

}  // namespace sextant::trainer
