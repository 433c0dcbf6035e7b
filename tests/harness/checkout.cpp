#include "tests/harness/checkout.h"

#include <cstdlib>

// The one source that is told where this checkout lies: all others are the same to ccache in every clone.
namespace sextant::harness {

std::filesystem::path checkout() {
  const char* elsewhere = std::getenv("SEXTANT_CHECKOUT");
  return elsewhere != nullptr ? elsewhere : SEXTANT_SOURCE_DIR;
}

std::filesystem::path executable() {
  return SEXTANT_EXECUTABLE;
}

}  // namespace sextant::harness
