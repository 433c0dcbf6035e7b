#pragma once

#include <cstdint>
#include <filesystem>

namespace sextant::trainer {

// Physical memory of this process, in bytes.
struct ProcessMemory {
  int64_t resident = 0;
  int64_t peak = 0;  // the highest that resident has been
};

// Read from Linux's /proc; zeros where that is absent.
ProcessMemory process_memory(const std::filesystem::path& status_file = "/proc/self/status");

}  // namespace sextant::trainer
