#pragma once

#include <linux/filter.h>
#include <sys/resource.h>
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace sextant::trainer {

// All that a process needs before it may become a program that nobody trusts. Descriptors are borrowed.
struct SandboxedProcess {
  std::vector<std::string> arguments;    // the first one is the file that is run
  std::vector<std::string> environment;  // "NAME=value", nothing else is there
  int input = -1, output = -1, errors = -1;
  int work_folder = -1;  // where it starts
  int file_rules = -1;   // SandboxFiles
  const std::vector<sock_filter>* filter = nullptr;
  uint64_t memory_bytes = 0;  // address space
  uint64_t file_bytes = 0;    // of one file
  uint64_t cpu_seconds = 0;
};

// The user that root's sandboxes run as: who owns nothing (Debian's nobody).
constexpr uid_t kSandboxUser = 65534;

// Starts it: in network, IPC and process namespaces of its own where the kernel lets us have them, as
// kSandboxUser where we are root, with all limits, Landlock's rules and the filter in force before its first
// instruction. It dies with the thread that calls. Throws Error(kEnvironment) naming the step that failed;
// nothing runs then. The caller waits for the process that is returned.
pid_t start_sandboxed(const SandboxedProcess& process);

}  // namespace sextant::trainer
