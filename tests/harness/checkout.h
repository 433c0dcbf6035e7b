#pragma once

#include <filesystem>

namespace sextant::harness {

// The root of the checkout; SEXTANT_CHECKOUT names it where programs run on another machine than built them.
std::filesystem::path checkout();

// The program that the build made.
std::filesystem::path executable();

}  // namespace sextant::harness
