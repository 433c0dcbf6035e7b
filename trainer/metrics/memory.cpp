#include "trainer/metrics/memory.h"

#include <charconv>
#include <fstream>
#include <string>
#include <string_view>

namespace sextant::trainer {
namespace {

// "VmRSS:\t  123 kB" -> bytes.
int64_t kilobytes_of(std::string_view line) {
  auto digit = line.find_first_of("0123456789");
  if (digit == std::string_view::npos) return 0;
  int64_t kilobytes = 0;
  std::from_chars(line.data() + digit, line.data() + line.size(), kilobytes);
  return kilobytes * 1024;
}

}  // namespace

ProcessMemory process_memory(const std::filesystem::path& status_file) {
  ProcessMemory memory;
  std::ifstream status(status_file);
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) memory.resident = kilobytes_of(line);
    if (line.starts_with("VmHWM:")) memory.peak = kilobytes_of(line);
  }
  return memory;
}

}  // namespace sextant::trainer
