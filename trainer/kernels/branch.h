#pragma once

#include <cstdint>

namespace sextant::trainer {

// Some tokens of a packed row of texts that begin alike, [first, last). They stand behind those of a branch
// in front of this one in a list, all of which they read, as what that one stands behind; -1: behind none.
struct Branch {
  int64_t first, last;
  int64_t parent = -1;
};

}  // namespace sextant::trainer
