#pragma once

#include <cstddef>

namespace sextant::fuzz {

// Watches what the current thread allocates while it lives. One at a time.
class AllocationMeter {
 public:
  AllocationMeter();
  ~AllocationMeter();
  AllocationMeter(const AllocationMeter&) = delete;
  AllocationMeter& operator=(const AllocationMeter&) = delete;

  // Throws std::length_error when a file of this size led to one allocation of more than 10 times its size,
  // or to more than 40 times its size held at once (a JSON tree takes up to 15), beside 6 MiB of caches, read
  // buffers, compiled expressions and other costs that no file changes.
  static void check(size_t file_bytes);
};

}  // namespace sextant::fuzz
