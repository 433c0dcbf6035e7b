#include "tests/fuzz/allocation.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "tests/fuzz/allocation_count.h"

namespace sextant::fuzz {
namespace {

// What is taken whatever the file: an encoder has two caches of 2 MiB.
constexpr size_t kFixed = size_t{6} << 20, kLargest = 10, kHeld = 40;

}  // namespace

void AllocationCount::took(size_t bytes) {
  if (!watching) return;
  largest = std::max(largest, bytes);
  held += static_cast<ptrdiff_t>(bytes);
  most_held = std::max(most_held, held);
}

void AllocationCount::gave(size_t bytes) {
  if (watching) held -= static_cast<ptrdiff_t>(bytes);
}

AllocationCount& allocation_count() {
  static constinit thread_local AllocationCount count;
  return count;
}

AllocationMeter::AllocationMeter() {
  allocation_count() = {};
  allocation_count().watching = true;
}

AllocationMeter::~AllocationMeter() {
  allocation_count().watching = false;
}

void AllocationMeter::check(size_t file_bytes) {
  AllocationCount count = allocation_count();
  if (count.largest > kLargest * file_bytes + kFixed ||
      count.most_held > static_cast<ptrdiff_t>(kHeld * file_bytes + kFixed)) {
    throw std::length_error(
        fmt::format("{} bytes led to one allocation of {} bytes and to {} bytes held at once", file_bytes,
                    count.largest, count.most_held));
  }
}

}  // namespace sextant::fuzz
