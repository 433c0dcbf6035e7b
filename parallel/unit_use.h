#pragma once

#include <cstdint>

namespace sextant::parallel {

// Told when the values of a unit of weights (an embedding, a block, a head) are read, by whoever computes
// with them. Uses of several microbatches may overlap; each need() has its done() or linger().
class UnitUse {
 public:
  static constexpr int64_t kNone = -1;

  virtual ~UnitUse() = default;
  // The unit's values are there when it returns. `next` is likely to be needed after it; kNone: not known.
  // All ranks that share the unit out must call for the same units in the same order.
  virtual void need(int64_t unit, int64_t next) = 0;
  // This use of it is over.
  virtual void done(int64_t unit) = 0;
  // The same, but the values stay until another unit is needed: for readers after the forward pass.
  virtual void linger(int64_t unit) = 0;
};

}  // namespace sextant::parallel
