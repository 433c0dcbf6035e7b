#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "tests/parity/drawn_layouts.h"
#include "trainer/run.pb.h"

// The small runs that layouts are held against each other with.
namespace sextant::parity {

// Documents of drawn lengths and ids, so that rows hold several and masks matter.
void write_shard(const std::filesystem::path& prefix);

// A complete run of `steps` steps over the shard; a layout that the rules refuse fails the test.
trainer::Run configured(const DrawnLayout& layout, const std::filesystem::path& prefix,
                        const std::string& compute, int64_t steps);

}  // namespace sextant::parity
