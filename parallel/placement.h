#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sextant::parallel {

// A box inside a whole tensor: what one rank holds of it.
struct Slice {
  std::vector<int64_t> offset;  // per dim
  std::vector<int64_t> shape;   // per dim

  int64_t elements() const;
  bool operator==(const Slice&) const = default;
};

// The part of two slices that both hold; elements() == 0 when there is none.
Slice intersect(const Slice& a, const Slice& b);

// One dim in equal parts, of which one is here.
struct Cut {
  int64_t dim = 0;
  int64_t parts = 1;
  int64_t part = 0;
};

// How a logical tensor is cut: whole on every rank without cuts, else by each in turn, a later one of the
// same dim inside the part that the earlier one left.
struct Placement {
  std::vector<Cut> cuts;

  // The local slice of a whole of this shape. Throws Error(kInput) where parts do not divide; `name` is for
  // the message.
  Slice local(const std::vector<int64_t>& whole, const std::string& name) const;
};

}  // namespace sextant::parallel
