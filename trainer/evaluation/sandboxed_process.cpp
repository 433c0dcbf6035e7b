#include "trainer/evaluation/sandboxed_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "parallel/base/error.h"

namespace sextant::trainer {
namespace {

// What the new process could not do.
enum class Step : int { kUser, kFolder, kStreams, kLimits, kFiles, kFilter, kInterpreter };

const char* name_of(Step step) {
  switch (step) {
    case Step::kUser:
      return "becoming the user nobody";
    case Step::kFolder:
      return "entering its work folder";
    case Step::kStreams:
      return "opening its streams";
    case Step::kLimits:
      return "setting its limits";
    case Step::kFiles:
      return "keeping it away from files (Landlock)";
    case Step::kFilter:
      return "keeping it from system calls (seccomp)";
    case Step::kInterpreter:
      return "running its interpreter";
  }
  return "";
}

struct Failure {
  Step step;
  int error;
};

struct Limit {
  int resource;
  rlimit value;
};

// Pointers into the vectors of a SandboxedProcess, made before the process is.
struct Images {
  std::vector<char*> arguments, environment;
  std::vector<Limit> limits;
  sock_fprog filter;
};

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> list;
  list.reserve(texts.size() + 1);
  for (const std::string& text : texts) list.push_back(const_cast<char*>(text.c_str()));
  list.push_back(nullptr);
  return list;
}

Images images_of(const SandboxedProcess& process) {
  auto limit = [](int resource, uint64_t most) {
    return Limit{resource, rlimit{static_cast<rlim_t>(most), static_cast<rlim_t>(most)}};
  };
  constexpr uint64_t kOpenFiles = 64;
  return {pointers(process.arguments),
          pointers(process.environment),
          {limit(RLIMIT_CORE, 0), limit(RLIMIT_NOFILE, kOpenFiles), limit(RLIMIT_MEMLOCK, 0),
           limit(RLIMIT_MSGQUEUE, 0), limit(RLIMIT_FSIZE, process.file_bytes),
           limit(RLIMIT_CPU, process.cpu_seconds), limit(RLIMIT_AS, process.memory_bytes)},
          {static_cast<unsigned short>(process.filter->size()),
           const_cast<sock_filter*>(process.filter->data())}};
}

// The new process. It has one thread of a process that had many, whose locks stay as they were: plain system
// calls only, no memory, none of glibc's calls that speak to other threads (setresuid).
[[noreturn]] void become_program(const SandboxedProcess& process, const Images& images, int status) {
  auto fail = [&](Step step) {
    Failure failure{step, errno};
    [[maybe_unused]] ssize_t told = ::write(status, &failure, sizeof failure);
    ::_exit(127);
  };
  auto must = [&](Step step, int64_t result) {
    if (result < 0) fail(step);
  };
  must(Step::kFolder, ::syscall(SYS_fchdir, process.work_folder));
  if (::syscall(SYS_geteuid) == 0) {
    must(Step::kUser, ::syscall(SYS_setgroups, 0, nullptr));
    must(Step::kUser, ::syscall(SYS_setresgid, kSandboxUser, kSandboxUser, kSandboxUser));
    must(Step::kUser, ::syscall(SYS_setresuid, kSandboxUser, kSandboxUser, kSandboxUser));
  }
  // Another user's process would forget this. Where our parent died before, nobody reads the status.
  must(Step::kUser, ::prctl(PR_SET_PDEATHSIG, SIGKILL));
  pollfd reader{status, 0, 0};
  if (::poll(&reader, 1, 0) > 0 && (reader.revents & POLLERR) != 0) ::_exit(127);
  ::syscall(SYS_setsid);
  must(Step::kStreams, ::dup2(process.input, STDIN_FILENO));
  must(Step::kStreams, ::dup2(process.output, STDOUT_FILENO));
  must(Step::kStreams, ::dup2(process.errors, STDERR_FILENO));
  must(Step::kStreams, ::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC));
  ::umask(077);
  for (const Limit& limit : images.limits)
    must(Step::kLimits, ::syscall(SYS_prlimit64, 0, limit.resource, &limit.value, nullptr));
  must(Step::kFiles, ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  must(Step::kFiles, ::syscall(SYS_landlock_restrict_self, process.file_rules, 0));
  // Equal addresses in equal messages; not every container lets us ask for it.
  ::syscall(SYS_personality, 0x0040000 /* ADDR_NO_RANDOMIZE */);
  must(Step::kFilter, ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &images.filter));
  ::execve(images.arguments[0], images.arguments.data(), images.environment.data());
  fail(Step::kInterpreter);
  ::_exit(127);
}

// fork into new namespaces, or without where they are not to be had: the filter alone keeps the program from
// sockets, signals and processes, too. A user namespace is how an ordinary user gets the others.
pid_t fork_apart() {
  uint64_t apart = CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWPID;
  if (::geteuid() != 0) apart |= CLONE_NEWUSER;
  auto child = static_cast<pid_t>(::syscall(SYS_clone, apart | SIGCHLD, 0, 0, 0, 0));
  if (child >= 0) return child;
  return static_cast<pid_t>(::syscall(SYS_clone, uint64_t{SIGCHLD}, 0, 0, 0, 0));
}

}  // namespace

pid_t start_sandboxed(const SandboxedProcess& process) {
  Images images = images_of(process);
  std::array<int, 2> status{};
  if (::pipe2(status.data(), O_CLOEXEC) != 0)
    fail_environment("no pipe for a sandbox: " + system_error_text(errno));
  pid_t child = fork_apart();
  int error = errno;
  if (child == 0) {
    ::close(status[0]);
    become_program(process, images, status[1]);
  }
  ::close(status[1]);
  Failure failure{};
  ssize_t told = 0;
  // Its end is closed when the program takes over.
  if (child > 0) {
    do {
      told = ::read(status[0], &failure, sizeof failure);
    } while (told < 0 && errno == EINTR);
  }
  ::close(status[0]);
  if (child < 0) fail_environment("no process for a sandbox: " + system_error_text(error));
  if (told == 0) return child;
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  fail_environment(fmt::format("programs that a model wrote are not run here, since this step failed: {}: {}",
                               name_of(failure.step), system_error_text(failure.error)));
}

}  // namespace sextant::trainer
