#include "parallel/base/error.h"
#include "parallel/group_nccl.h"

namespace sextant::parallel {
namespace {

constexpr const char* kAbsent =
    "this build of sextant has no NCCL; build it with `cmake --preset cuda && cmake --build --preset cuda` "
    "on a machine "
    "with the CUDA 13 toolkit and NCCL";

}  // namespace

bool nccl_available() {
  return false;
}

std::optional<std::string> nccl_obstacle(Group&) {
  return kAbsent;
}

// NOLINTNEXTLINE(performance-unnecessary-value-param): the real one keeps the watchdog.
std::unique_ptr<Group> nccl_group(Group&, std::shared_ptr<Watchdog>) {
  fail_environment(kAbsent);
}

}  // namespace sextant::parallel
