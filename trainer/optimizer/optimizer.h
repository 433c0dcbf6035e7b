#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "trainer/optimizer/optimizer.pb.h"
#include "trainer/optimizer/owned_piece.h"

namespace sextant::trainer {

// An update rule over the pieces that this rank owns. The parameters must outlive it.
class Optimizer {
 public:
  virtual ~Optimizer() = default;

  // One update of every piece's master from gradient_scale * grad (mean and clipping in one factor), and of
  // every value that is not the master's own memory. Leaves the gradients' numbers undefined. All ranks that
  // hold parts of the model must call together.
  virtual void update(double learning_rate, double gradient_scale = 1.0) = 0;

  // What the rule remembers, as the boxes that this rank holds; the live tensors.
  virtual std::vector<StateTensor> state() const = 0;

  // Updates done so far. Restored together with state().
  int64_t updates() const { return updates_; }
  void set_updates(int64_t updates) { updates_ = updates; }

 protected:
  int64_t updates_ = 0;
};

// The rule that the settings name. `tensor`: the ranks that hold the other slices of what is cut over the
// tensor axis; null: one. All ranks that hold parts of the model must call together, with their pieces in the
// same order.
std::unique_ptr<Optimizer> make_optimizer(const OptimizerSettings& settings, std::vector<OwnedPiece> pieces,
                                          parallel::Group* tensor = nullptr);

}  // namespace sextant::trainer
