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

// How a logical tensor is cut: whole on every rank, or one dim cut into equal parts.
struct Placement {
  int64_t dim = -1;   // the dim that is cut; -1: whole everywhere
  int64_t parts = 1;  // ranks that share it
  int64_t part = 0;   // which one is here

  // The local slice of a whole of this shape. Throws Error(kInput) unless parts divides shape[dim]; `name` is
  // for the message.
  Slice local(const std::vector<int64_t>& whole, const std::string& name) const;
};

}  // namespace sextant::parallel
