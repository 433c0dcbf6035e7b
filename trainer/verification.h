#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "parallel/group.h"
#include "trainer/run.pb.h"

// Whether a layout gives the answer of one rank: the first steps of a run on both, side by side.
namespace sextant::trainer {

// What the first steps of a run led to.
struct Trace {
  std::vector<double> losses, grad_norms;    // by step; on every rank
  std::map<std::string, at::Tensor> before;  // whole weights by name, at the start; on rank 0 alone
  std::map<std::string, at::Tensor> after;   // and after the last step
  // Weights whose true gradient is zero, so that rounding alone moves them: GPT-2's key biases, which add the
  // same to all scores of a query. Their differences say nothing and are left out.
  std::string moved_by_rounding;  // the end of their names; empty: none
};

// The first `steps` steps of a run of these settings, complete and without held-out data or folder, over the
// ranks of `world`. Weights start as a new run's do (run.start_from included). All ranks of `world` must
// call.
Trace trace_run(const Run& config, parallel::Group& world, at::Device device, int64_t steps);

// The same run on a single rank: all axes 1, nothing sharded.
Run on_one_rank(const Run& config);

// How far two traces lie apart, relative to the first.
struct TraceDifference {
  struct Parameter {
    std::string name;
    double moved = 0;     // ||after - before|| / ||before||, of the reference
    double relative = 0;  // ||other - reference|| / ||after - before||
  };
  std::vector<double> losses, grad_norms;  // by step, relative
  std::vector<Parameter> weights;          // by name
  double worst_loss() const;
  double worst_grad_norm() const;
  double worst_weight() const;
  bool equal_bits = true;  // of every weight
};

TraceDifference compare(const Trace& reference, const Trace& other);

// What rounding alone may explain.
struct TraceBounds {
  double loss, weight;
  std::string reason;
};
TraceBounds bounds_for(NumericsSettings::Compute compute);

// Whether the difference is within the bounds; NaN never is.
bool within(const TraceDifference& difference, const TraceBounds& bounds);

}  // namespace sextant::trainer
