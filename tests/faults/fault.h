#pragma once

#include <cstdlib>
#include <string>

// In the test build of tests/faults/run.py alone.
namespace sextant {

// Whether SEXTANT_FAULT names this one.
inline bool fault(const char* name) {
  static const std::string on = std::getenv("SEXTANT_FAULT") == nullptr ? "" : std::getenv("SEXTANT_FAULT");
  return on == name;
}

}  // namespace sextant
