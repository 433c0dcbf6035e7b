#pragma once

#include <cstddef>

namespace sextant::fuzz {

// What one thread has allocated since the meter was started.
struct AllocationCount {
  bool watching = false;
  size_t largest = 0;  // of single allocations
  ptrdiff_t held = 0;  // at this moment
  ptrdiff_t most_held = 0;

  void took(size_t bytes);
  void gave(size_t bytes);
};

// The current thread's count. Whoever sees its allocations calls took() and gave().
AllocationCount& allocation_count();

}  // namespace sextant::fuzz
