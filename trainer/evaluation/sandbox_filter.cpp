#include "trainer/evaluation/sandbox_filter.h"

#include <fmt/format.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "parallel/base/error.h"

namespace sextant::trainer {
namespace {

// Names that this processor or libseccomp does not know are passed over: they can not be called then, or are
// refused as unknown.
constexpr const char* kAllowed[] = {
    // files by descriptor
    "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "lseek", "close",
    "close_range", "dup", "dup2", "dup3", "fcntl", "fstat", "fstatfs", "fsync", "fdatasync", "ftruncate",
    "fallocate", "fadvise64", "flock", "getdents", "getdents64", "pipe", "pipe2", "copy_file_range",
    // files by name: which ones is Landlock's to say
    "open", "openat", "stat", "lstat", "newfstatat", "statx", "statfs", "access", "faccessat", "faccessat2",
    "readlink", "readlinkat", "getcwd", "chdir", "fchdir", "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat",
    "rename", "renameat", "renameat2", "truncate", "umask", "utime", "utimes", "utimensat", "futimesat",
    // memory
    "brk", "mmap", "munmap", "mremap", "mprotect", "madvise", "mincore", "msync", "membarrier",
    // threads, waiting and time
    "futex", "set_robust_list", "get_robust_list", "set_tid_address", "rseq", "sched_yield",
    "sched_getaffinity", "sched_getparam", "sched_getscheduler", "sched_get_priority_max",
    "sched_get_priority_min", "poll", "ppoll", "select", "pselect6", "epoll_create", "epoll_create1",
    "epoll_ctl", "epoll_wait", "epoll_pwait", "eventfd", "eventfd2", "nanosleep", "clock_nanosleep",
    "clock_gettime", "clock_getres", "gettimeofday", "time", "times", "getitimer", "setitimer", "alarm",
    // its own signals and itself
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending", "sigaltstack", "restart_syscall",
    "pause", "arch_prctl", "getpid", "getppid", "gettid", "getpgrp", "getpgid", "getsid", "getuid", "geteuid",
    "getgid", "getegid", "getresuid", "getresgid", "getgroups", "getrlimit", "getrusage", "uname", "sysinfo",
    "getcpu", "getrandom", "wait4", "waitid", "exit", "exit_group",
    // becoming the interpreter; the filter stays
    "execve"};

// What programs do try, with the answer that they expect of a refusal.
constexpr const char* kForbidden[] = {"socket",
                                      "socketpair",
                                      "connect",
                                      "bind",
                                      "listen",
                                      "accept",
                                      "accept4",
                                      "sendto",
                                      "sendmsg",
                                      "sendmmsg",
                                      "fork",
                                      "vfork",
                                      "kill",
                                      "tkill",
                                      "tgkill",
                                      "rt_sigqueueinfo",
                                      "rt_tgsigqueueinfo",
                                      "pidfd_open",
                                      "pidfd_send_signal",
                                      "pidfd_getfd",
                                      "ptrace",
                                      "process_vm_readv",
                                      "process_vm_writev",
                                      "mount",
                                      "umount2",
                                      "pivot_root",
                                      "chroot",
                                      "unshare",
                                      "setns",
                                      "setuid",
                                      "setgid",
                                      "setreuid",
                                      "setregid",
                                      "setresuid",
                                      "setresgid",
                                      "setgroups",
                                      "setsid",
                                      "setpgid",
                                      "setrlimit",
                                      "setpriority",
                                      "sched_setaffinity",
                                      "sched_setscheduler",
                                      "chmod",
                                      "fchmod",
                                      "fchmodat",
                                      "chown",
                                      "fchown",
                                      "lchown",
                                      "fchownat",
                                      "link",
                                      "linkat",
                                      "symlink",
                                      "symlinkat",
                                      "mknod",
                                      "mknodat",
                                      "execveat",
                                      "prctl",
                                      "memfd_create",
                                      "bpf",
                                      "perf_event_open",
                                      "keyctl",
                                      "add_key",
                                      "request_key",
                                      "shmget",
                                      "shmat",
                                      "msgget",
                                      "semget",
                                      "mq_open"};

// sock_filter as bytes out of a file in memory, which is what libseccomp writes to.
std::vector<sock_filter> exported(scmp_filter_ctx filter) {
  int file = ::memfd_create("filter", MFD_CLOEXEC);
  if (file < 0) fail_environment("no room for the sandbox's filter: " + system_error_text(errno));
  int code = ::seccomp_export_bpf(filter, file);
  off_t size = ::lseek(file, 0, SEEK_END);
  std::vector<sock_filter> program(static_cast<size_t>(size) / sizeof(sock_filter));
  ssize_t got = ::pread(file, program.data(), program.size() * sizeof(sock_filter), 0);
  ::close(file);
  if (code != 0 || got <= 0 || got != size) fail_environment("the sandbox's filter can not be read back");
  return program;
}

class FilterRules {
 public:
  FilterRules() : filter_(::seccomp_init(SCMP_ACT_ERRNO(ENOSYS)), ::seccomp_release) {
    if (filter_ == nullptr) fail_environment("libseccomp can not make a filter on this processor");
  }

  template <class... Conditions>
  void add(const char* name, uint32_t action, Conditions... conditions) {
    int call = ::seccomp_syscall_resolve_name(name);
    if (call == __NR_SCMP_ERROR) return;
    // As an array: libseccomp's variable arguments are for C.
    const scmp_arg_cmp list[sizeof...(conditions) + 1] = {conditions..., {}};
    int code = ::seccomp_rule_add_array(filter_.get(), action, call, sizeof...(conditions), list);
    // Calls that other processors number otherwise (negative ones) are not this one's to make.
    if (code != 0 && call >= 0)
      fail_environment(fmt::format("the sandbox's rule for {}: {}", name, system_error_text(-code)));
  }

  std::vector<sock_filter> program() const { return exported(filter_.get()); }

 private:
  std::unique_ptr<void, void (*)(scmp_filter_ctx)> filter_;
};

scmp_arg_cmp argument(unsigned index, scmp_compare compare, uint64_t a, uint64_t b = 0) {
  return {index, compare, a, b};
}

}  // namespace

std::vector<sock_filter> sandbox_filter() {
  FilterRules rules;
  const uint32_t refuse = SCMP_ACT_ERRNO(EPERM);
  for (const char* name : kAllowed) rules.add(name, SCMP_ACT_ALLOW);
  for (const char* name : kForbidden) rules.add(name, refuse);
  // Threads are made by clone with CLONE_THREAD; clone3 hides its flags in memory, and glibc falls back on
  // clone where there is none.
  rules.add("clone", SCMP_ACT_ALLOW, argument(0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
  rules.add("clone", refuse, argument(0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
  // Limits may be read, of itself alone.
  rules.add("prlimit64", SCMP_ACT_ALLOW, argument(0, SCMP_CMP_EQ, 0), argument(2, SCMP_CMP_EQ, 0));
  // Questions about a descriptor; nothing that types into a terminal or drives a device.
  for (uint64_t question : {0x5401 /* TCGETS */, 0x5413 /* TIOCGWINSZ */, 0x541B /* FIONREAD */,
                            0x5450 /* FIONCLEX */, 0x5451 /* FIOCLEX */})
    rules.add("ioctl", SCMP_ACT_ALLOW, argument(1, SCMP_CMP_MASKED_EQ, 0xffffffff, question));
  return rules.program();
}

}  // namespace sextant::trainer
