#include "trainer/evaluation/code_sandbox.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <ctime>
#include <filesystem>

#include "parallel/base/error.h"
#include "trainer/evaluation/sandbox_files.h"
#include "trainer/evaluation/sandbox_filter.h"
#include "trainer/evaluation/sandboxed_process.h"

namespace sextant::trainer {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// Reads a secret and the program, runs the program, and only then says the secret: a program that leaves
// early, with whatever exit code and words, has not passed. Names are as HumanEval's own harness has them,
// which runs programs in an empty dictionary.
constexpr const char* kRunner = R"(def run():
    import os, sys
    write, leave = os.write, os._exit
    secret, _, program = sys.stdin.buffer.read().partition(b"\n")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    exec(compile(program, "program", "exec"), {})
    write(1, secret)
    leave(0)
run()
)";

// A sandbox that works lets this come to its end.
constexpr const char* kProbe = R"(import socket
try:
    socket.socket()
except PermissionError:
    pass
else:
    raise RuntimeError("a socket can be made")
)";

constexpr size_t kErrorsKept = 2000;  // bytes
constexpr int kLooksEvery = 20;       // milliseconds, at its folder and the clock
constexpr int64_t kMostFiles = 1000;

std::string random_secret() {
  std::array<unsigned char, 16> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    fail_environment("no random numbers: " + system_error_text(errno));
  std::string secret;
  for (unsigned char byte : bytes) secret += fmt::format("{:02x}", byte);
  return secret;
}

// A descriptor that is closed with its owner.
class Descriptor {
 public:
  Descriptor(int descriptor, const char* what) : descriptor_(descriptor) {
    if (descriptor < 0) fail_environment(fmt::format("a sandbox's {}: {}", what, system_error_text(errno)));
  }
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return descriptor_; }
  void close() {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = -1;
  }

 private:
  int descriptor_;
};

// What the program reads: bytes that it can not change.
class Input : public Descriptor {
 public:
  explicit Input(const std::string& text)
      : Descriptor(::memfd_create("program", MFD_CLOEXEC | MFD_ALLOW_SEALING), "program") {
    for (size_t done = 0; done < text.size();) {
      ssize_t count = ::write(number(), text.data() + done, text.size() - done);
      if (count <= 0) fail_environment("a sandbox's program: " + system_error_text(errno));
      done += static_cast<size_t>(count);
    }
    ::fcntl(number(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
    ::lseek(number(), 0, SEEK_SET);
  }
};

// A pipe that the program writes to; we keep its end.
class Output {
 public:
  Output() : Output(pipe_ends()) {}

  int to() const { return to_.number(); }
  void close_writer() { to_.close(); }
  pollfd waits_for() const { return {open_ ? from_.number() : -1, POLLIN, 0}; }
  size_t bytes() const { return bytes_; }
  const std::string& end() const { return end_; }

  // Takes what is there now.
  void take() {
    std::array<char, 1 << 14> part;
    for (int round = 0; open_ && round < 16; ++round) {
      ssize_t count = ::read(from_.number(), part.data(), part.size());
      if (count < 0) return;
      open_ = count > 0;
      bytes_ += static_cast<size_t>(count);
      end_.append(part.data(), static_cast<size_t>(count));
      if (end_.size() > kErrorsKept) end_.erase(0, end_.size() - kErrorsKept);
    }
  }

 private:
  Descriptor from_, to_;
  bool open_ = true;
  size_t bytes_ = 0;
  std::string end_;

  explicit Output(std::array<int, 2> ends) : from_(ends[0], "pipe"), to_(ends[1], "pipe") {
    ::fcntl(from_.number(), F_SETFL, O_NONBLOCK);
  }
  static std::array<int, 2> pipe_ends() {
    std::array<int, 2> ends{-1, -1};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return {-1, -1};
    return ends;
  }
};

// An empty folder that goes with its owner.
class WorkFolder {
 public:
  WorkFolder() : path_((fs::temp_directory_path() / "sextant-program-XXXXXX").string()) {
    if (::mkdtemp(path_.data()) == nullptr)
      fail_environment(
          fmt::format("no work folder for a program at {}: {}", path_, system_error_text(errno)));
    if (::geteuid() == 0 && ::chown(path_.c_str(), kSandboxUser, kSandboxUser) != 0)
      fail_environment(fmt::format("{}: {}", path_, system_error_text(errno)));
  }
  ~WorkFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;
  const std::string& path() const { return path_; }

  // Whether files in it are too many, or have more bytes than `most`.
  bool overflows(int64_t most) const {
    std::error_code gone;
    int64_t files = 0, bytes = 0;
    for (fs::recursive_directory_iterator entry(path_, gone), end; entry != end && !gone;
         entry.increment(gone)) {
      std::error_code unknown;
      auto size = entry->is_regular_file(unknown) ? entry->file_size(unknown) : 0;
      if (!unknown) bytes += static_cast<int64_t>(size);
      if (++files > kMostFiles || bytes > most) return true;
    }
    return false;
  }

 private:
  std::string path_;
};

// One program from start to end.
class Supervision {
 public:
  Supervision(const Sandbox& settings, const std::vector<sock_filter>& filter, const std::string& program)
      : settings_(settings),
        secret_(random_secret()),
        input_(secret_ + "\n" + program),
        files_(settings.interpreter(), folder_.path()) {
    Descriptor folder(::open(folder_.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC), "work folder");
    SandboxedProcess process;
    process.arguments = {settings.interpreter(), "-s", "-B", "-c", kRunner};
    process.environment = {"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "PYTHONHASHSEED=0", "OMP_NUM_THREADS=1",
                           "OPENBLAS_NUM_THREADS=1"};
    process.input = input_.number();
    process.output = said_.to();
    process.errors = errors_.to();
    process.work_folder = folder.number();
    process.file_rules = files_.rules();
    process.filter = &filter;
    process.memory_bytes = static_cast<uint64_t>(settings.memory_bytes());
    process.file_bytes = static_cast<uint64_t>(settings.disk_bytes());
    // Ours comes first: the kernel counts this one by ticks.
    process.cpu_seconds = static_cast<uint64_t>(settings.cpu_seconds()) + 2;
    child_ = start_sandboxed(process);
    said_.close_writer();
    errors_.close_writer();
  }
  ~Supervision() { end(); }
  Supervision(const Supervision&) = delete;
  Supervision& operator=(const Supervision&) = delete;

  ProgramRun watch() {
    auto deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                       std::chrono::duration<double>(settings_.wall_seconds()));
    using Verdict = ProgramRun::Verdict;
    ProgramRun run;
    for (;;) {
      std::array<pollfd, 2> streams{said_.waits_for(), errors_.waits_for()};
      ::poll(streams.data(), streams.size(), kLooksEvery);
      said_.take();
      errors_.take();
      bool over = ended();
      run.errors = errors_.end();
      if (said_.bytes() + errors_.bytes() > static_cast<size_t>(settings_.output_bytes()))
        return run.verdict = Verdict::kTooMuchOutput, run;
      if (over) break;
      if (folder_.overflows(settings_.disk_bytes())) return run.verdict = Verdict::kTooMuchDisk, run;
      if (Clock::now() > deadline || cpu_time() > static_cast<double>(settings_.cpu_seconds()))
        return run.verdict = Verdict::kTimedOut, run;
    }
    judge(run);
    return run;
  }

 private:
  const Sandbox& settings_;
  std::string secret_;
  WorkFolder folder_;
  Input input_;
  Output said_, errors_;
  SandboxFiles files_;
  pid_t child_ = -1;
  int status_ = 0;

  // Processor time of all its threads so far, in seconds.
  double cpu_time() const {
    clockid_t clock{};
    timespec time{};
    if (::clock_getcpuclockid(child_, &clock) != 0 || ::clock_gettime(clock, &time) != 0) return 0;
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  }

  // True once it is dead; what it wrote before that is taken.
  bool ended() {
    if (::waitpid(child_, &status_, WNOHANG) != child_) return false;
    child_ = -1;
    said_.take();
    errors_.take();
    return true;
  }

  // It is the only process there is: no other can be made.
  void end() {
    if (child_ <= 0) return;
    ::kill(child_, SIGKILL);
    while (::waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
    }
    child_ = -1;
  }

  void judge(ProgramRun& run) const {
    using Verdict = ProgramRun::Verdict;
    if (WIFSIGNALED(status_)) {
      run.status = WTERMSIG(status_);
      run.verdict = Verdict::kKilled;
      return;
    }
    run.status = WEXITSTATUS(status_);
    if (run.status != 0) {
      run.verdict = Verdict::kFailed;
    } else {
      run.verdict = said_.end().ends_with(secret_) ? Verdict::kPassed : Verdict::kEndedEarly;
    }
  }
};

}  // namespace

const char* name_of(ProgramRun::Verdict verdict) {
  using Verdict = ProgramRun::Verdict;
  switch (verdict) {
    case Verdict::kPassed:
      return "passed";
    case Verdict::kFailed:
      return "failed";
    case Verdict::kEndedEarly:
      return "ended early";
    case Verdict::kTimedOut:
      return "timed out";
    case Verdict::kTooMuchOutput:
      return "too much output";
    case Verdict::kTooMuchDisk:
      return "too much disk";
    case Verdict::kKilled:
      return "killed";
  }
  return "";
}

bool runs_programs(const EvalSettings& settings) {
  return std::any_of(settings.tasks().begin(), settings.tasks().end(), [](const EvalTask& task) {
    return task.kind() == EvalTask::generation && task.grading() == EvalTask::execution;
  });
}

CodeSandbox::CodeSandbox(const EvalSettings& settings) : filter_(sandbox_filter()) {
  for (const EvalTask& task : settings.tasks()) {
    if (task.kind() != EvalTask::generation || task.grading() != EvalTask::execution) continue;
    ProgramRun tried = run(task.sandbox(), kProbe);
    if (tried.verdict == ProgramRun::Verdict::kPassed) continue;
    fail_environment(fmt::format(
        "task {}: programs that a model wrote are not run here: {} in a sandbox does not do what it should "
        "({}, {}): {}",
        task.name(), task.sandbox().interpreter(), name_of(tried.verdict), tried.status, tried.errors));
  }
}

ProgramRun CodeSandbox::run(const Sandbox& settings, const std::string& program) const {
  return Supervision(settings, filter_, program).watch();
}

}  // namespace sextant::trainer
