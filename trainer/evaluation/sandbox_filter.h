#pragma once

#include <linux/filter.h>

#include <vector>

namespace sextant::trainer {

// The system calls that a sandboxed program may make, as a filter for the kernel (seccomp): files, memory,
// threads and time. There are no processes but the one, no sockets, no signals to anyone, no looking into
// other processes, no mounts, no new namespaces; what is not named at all does not exist for the program
// (ENOSYS). Throws Error(kEnvironment) where the filter can not be made.
std::vector<sock_filter> sandbox_filter();

}  // namespace sextant::trainer
