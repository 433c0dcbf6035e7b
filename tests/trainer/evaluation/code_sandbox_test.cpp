#include "trainer/evaluation/code_sandbox.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "parallel/base/error.h"
#include "trainer/evaluation/sandboxed_process.h"

namespace sextant::trainer::code_sandbox_test {
namespace {

namespace fs = std::filesystem;
using Verdict = ProgramRun::Verdict;

EvalSettings with_a_program_task() {
  EvalSettings settings;
  EvalTask* task = settings.add_tasks();
  task->set_kind(EvalTask::generation);
  task->set_grading(EvalTask::execution);
  return settings;
}

// Programs that must not get what they reach for "pass" when they are refused it as they should be.
class CodeSandboxTest : public testing::Test {
 protected:
  CodeSandbox sandbox_{with_a_program_task()};
  Sandbox limits_;

  ProgramRun run(const std::string& program) const { return sandbox_.run(limits_, program); }

  void expect_refused(const std::string& attempt, const std::string& exception) const {
    std::string body = "    " + attempt + "\n";
    ProgramRun result = run("import os, signal, socket, threading, ctypes, subprocess\ntry:\n" + body +
                            "except " + exception + ":\n    pass\nelse:\n    raise RuntimeError('done')\n");
    EXPECT_EQ(result.verdict, Verdict::kPassed) << attempt << ": " << result.errors;
  }

  // Processes that were started by this name.
  static int64_t processes_of(const std::string& interpreter) {
    int64_t count = 0;
    for (const fs::directory_entry& entry : fs::directory_iterator("/proc")) {
      std::ifstream stream(entry.path() / "cmdline", std::ios::binary);
      std::ostringstream line;
      line << stream.rdbuf();
      count += line.str().starts_with(interpreter) ? 1 : 0;
    }
    return count;
  }
};

// With a temporary folder and a name for the interpreter of its own: other tests run at the same time.
class CodeSandboxAlone : public CodeSandboxTest {
 protected:
  fs::path folder_ = fs::temp_directory_path() / ("code_sandbox_alone." + std::to_string(::getpid()));
  std::string interpreter_ = (folder_ / "python").string();

  void SetUp() override {
    fs::create_directories(folder_ / "tmp");
    fs::create_symlink("/usr/bin/python3", interpreter_);
    limits_.set_interpreter(interpreter_);
    ::setenv("TMPDIR", (folder_ / "tmp").c_str(), 1);
  }
  void TearDown() override {
    ::unsetenv("TMPDIR");
    fs::remove_all(folder_);
  }
};

TEST_F(CodeSandboxTest, ProgramsPassFailAndEndEarly) {
  EXPECT_EQ(run("def f(x):\n    return x + 1\nassert f(1) == 2\n").verdict, Verdict::kPassed);
  ProgramRun wrong = run("assert 1 + 1 == 3, 'no arithmetic'\n");
  EXPECT_EQ(wrong.verdict, Verdict::kFailed);
  EXPECT_NE(wrong.errors.find("AssertionError: no arithmetic"), std::string::npos) << wrong.errors;
  EXPECT_EQ(run("def f(:\n").verdict, Verdict::kFailed);
  EXPECT_EQ(run("x = '\xff'\n").verdict, Verdict::kFailed);
  // None of these came to its asserts.
  for (const char* leave : {"exit(0)", "import sys; sys.exit()", "raise SystemExit(0)",
                            "import os; os._exit(0)", "print('passed', flush=True); import os; os._exit(0)",
                            "import os; os.execv('/usr/bin/true', ['true'])"}) {
    EXPECT_EQ(run(std::string(leave) + "\nassert False\n").verdict, Verdict::kEndedEarly) << leave;
  }
  EXPECT_EQ(run("import ctypes; ctypes.string_at(0)\n").verdict, Verdict::kKilled);
}

TEST_F(CodeSandboxTest, UsesNoMoreThanItsLimits) {
  limits_.set_cpu_seconds(1);
  limits_.set_wall_seconds(60);
  EXPECT_EQ(run("while True: pass\n").verdict, Verdict::kTimedOut) << "by processor time";
  limits_.set_wall_seconds(0.3);
  EXPECT_EQ(run("import time\nwhile True: time.sleep(1)\n").verdict, Verdict::kTimedOut) << "by the clock";
  EXPECT_EQ(run("import os, time\nos.close(1); os.close(2)\nwhile True: time.sleep(1)\n").verdict,
            Verdict::kTimedOut);
  limits_ = Sandbox();
  ProgramRun memory = run("x = bytearray(2 << 30)\n");
  EXPECT_EQ(memory.verdict, Verdict::kFailed);
  EXPECT_NE(memory.errors.find("MemoryError"), std::string::npos) << memory.errors;
  EXPECT_EQ(run("while True: print('x' * 10000)\n").verdict, Verdict::kTooMuchOutput);
  EXPECT_EQ(run("print('x' * 100000)\n").verdict, Verdict::kPassed);
  std::string many = "n = 0\nwhile True:\n    open(str(n), 'w').write('x' * 100000)\n    n += 1\n";
  EXPECT_EQ(run(many).verdict, Verdict::kTooMuchDisk);
  ProgramRun large = run("with open('f', 'wb') as f:\n    while True: f.write(b'x' * 1000000)\n");
  EXPECT_TRUE(large.verdict == Verdict::kTooMuchDisk ||
              large.errors.find("File too large") != std::string::npos)
      << large.errors;
  ProgramRun words = run("import sys\nsys.stderr.write('begin' + 'x' * 9000 + 'end')\n1/0\n");
  EXPECT_LE(words.errors.size(), 2000u);
  EXPECT_NE(words.errors.find("ZeroDivisionError"), std::string::npos) << "the end is what is kept";
  EXPECT_EQ(words.errors.find("begin"), std::string::npos);
}

TEST_F(CodeSandboxTest, MakesNoProcesses) {
  expect_refused("os.fork()", "PermissionError");
  expect_refused("subprocess.run(['/usr/bin/sleep', '100'])", "PermissionError");
  expect_refused("os.posix_spawn('/usr/bin/true', ['true'], {})", "OSError");
  std::string bomb =
      "import os\nwhile True:\n    try:\n        os.fork()\n    except PermissionError:\n        break\n";
  EXPECT_EQ(run(bomb).verdict, Verdict::kPassed);
  EXPECT_EQ(run("import threading\nt = threading.Thread(target=print)\nt.start()\nt.join()\n").verdict,
            Verdict::kPassed)
      << "threads are no processes";
}

TEST_F(CodeSandboxTest, ReachesNobody) {
  expect_refused("socket.socket()", "PermissionError");
  expect_refused("socket.socketpair()", "PermissionError");
  expect_refused("socket.socket(socket.AF_UNIX)", "PermissionError");
  for (const char* target : {"os.getppid()", "0", "-1", "1"})
    expect_refused(std::string("os.kill(") + target + ", signal.SIGKILL)", "PermissionError");
  expect_refused("os.kill(" + std::to_string(::getpid()) + ", signal.SIGKILL)", "PermissionError");
  expect_refused("os.setuid(0)", "PermissionError");
  expect_refused("os.unshare(0) if hasattr(os, 'unshare') else os.chroot('/')", "PermissionError");
  std::string calls =
      "import ctypes, errno\nlibc = ctypes.CDLL(None, use_errno=True)\ndef refused(*call):\n"
      "    assert libc.syscall(*call) == -1 and ctypes.get_errno() in (errno.EPERM, errno.ENOSYS), call\n";
#ifdef __x86_64__
  // ptrace, mount, prctl, unshare, setns, process_vm_readv, memfd_create, io_uring_setup, clone3
  for (int call : {101, 165, 157, 272, 308, 310, 319, 425, 435})
    calls += "refused(" + std::to_string(call) + ", 0, 0, 0, 0, 0)\n";
#endif
  ProgramRun result = run(calls);
  EXPECT_EQ(result.verdict, Verdict::kPassed) << result.errors;
}

TEST_F(CodeSandboxTest, OpensNoFilesButItsOwn) {
  fs::path folder = fs::temp_directory_path() / ("code_sandbox_test." + std::to_string(::getpid()));
  fs::create_directories(folder);
  fs::permissions(folder, fs::perms::all);
  std::ofstream(folder / "answers.jsonl") << "secret";
  fs::permissions(folder / "answers.jsonl", fs::perms::all);
  expect_refused("open('" + (folder / "answers.jsonl").string() + "')", "PermissionError");
  expect_refused("open('" + (folder / "new").string() + "', 'w')", "PermissionError");
  expect_refused("os.remove('" + (folder / "answers.jsonl").string() + "')", "PermissionError");
  expect_refused("os.listdir('" + folder.string() + "')", "PermissionError");
  const char* home = std::getenv("HOME");
  for (const std::string& place : {std::string(home != nullptr ? home : "/root"), std::string("/"),
                                   std::string("/tmp"), std::string("/proc"), std::string("..")})
    expect_refused("os.listdir('" + place + "')", "PermissionError");
  expect_refused("open('/etc/passwd')", "PermissionError");
  expect_refused("open('/usr/new', 'w')", "OSError");
  EXPECT_TRUE(fs::exists(folder / "answers.jsonl"));
  fs::remove_all(folder);
  ::setenv("SANDBOX_TEST_KEY", "secret", 1);
  ProgramRun own =
      run("import os\nassert os.listdir('.') == [], os.listdir('.')\n"
          "assert set(os.environ) <= {'PATH', 'LC_ALL', 'PYTHONHASHSEED', 'OMP_NUM_THREADS', "
          "'OPENBLAS_NUM_THREADS'}, os.environ\n"
          "open('mine', 'w').write('x')\nassert open('mine').read() == 'x'\nos.remove('mine')\n"
          "assert os.getuid() != 0\nimport sys\nassert sys.stdin.read() == ''\n"
          "for number in range(3, 64):\n    try: os.fstat(number)\n    except OSError: pass\n"
          "    else: raise RuntimeError(number)\n");
  EXPECT_EQ(own.verdict, Verdict::kPassed) << own.errors;
}

TEST_F(CodeSandboxAlone, LeavesNothingBehind) {
  limits_.set_wall_seconds(0.5);
  std::string daemon =
      "import os, time\ntry:\n    if os.fork() == 0:\n        os.setsid()\n        time.sleep(1000)\n"
      "except PermissionError: pass\nopen('left', 'w').write('x')\nos.mkdir('deep')\n"
      "while True: time.sleep(1)\n";
  EXPECT_EQ(run(daemon).verdict, Verdict::kTimedOut);
  EXPECT_EQ(processes_of(interpreter_), 0);
  EXPECT_TRUE(fs::is_empty(folder_ / "tmp"));
}

TEST_F(CodeSandboxAlone, DiesWithItsParent) {
  pid_t parent = ::fork();
  if (parent == 0) {
    limits_.set_wall_seconds(1000);
    run("import time\nwhile True: time.sleep(1)\n");
    ::_exit(0);
  }
  auto waits = [&](int64_t wanted) {
    for (int i = 0; i < 500 && processes_of(interpreter_) != wanted; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return processes_of(interpreter_);
  };
  EXPECT_EQ(waits(1), 1);
  ::kill(parent, SIGKILL);
  ::waitpid(parent, nullptr, 0);
  EXPECT_EQ(waits(0), 0);
}

TEST_F(CodeSandboxTest, WorksForAnOrdinaryUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "all other tests are an ordinary user's already";
  pid_t child = ::fork();
  if (child == 0) {
    bool user = ::setresgid(12345, 12345, 12345) == 0 && ::setresuid(12345, 12345, 12345) == 0;
    try {
      CodeSandbox sandbox(with_a_program_task());
      bool right = sandbox.run(limits_, "import os\nassert os.getuid() != 0\n").verdict == Verdict::kPassed;
      bool early = sandbox.run(limits_, "exit(0)\n").verdict == Verdict::kEndedEarly;
      ::_exit(user && right && early ? 0 : 1);
    } catch (const Error& error) {
      std::fprintf(stderr, "%s\n", error.what());
      ::_exit(2);
    }
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST(CodeSandboxSettings, AnInterpreterThatDoesNotWorkIsNamed) {
  EvalSettings settings = with_a_program_task();
  for (const char* interpreter : {"/usr/bin/false", "/nowhere/python3"}) {
    settings.mutable_tasks(0)->mutable_sandbox()->set_interpreter(interpreter);
    try {
      CodeSandbox sandbox(settings);
      FAIL() << interpreter;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(interpreter), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace sextant::trainer::code_sandbox_test
