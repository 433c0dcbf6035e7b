#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <string>
#include <vector>

#include "trainer/evaluation/eval.pb.h"

namespace sextant::trainer {

// What became of a program.
struct ProgramRun {
  enum class Verdict {
    kPassed,         // it came to its end without an exception
    kFailed,         // an exception, or another exit code than 0
    kEndedEarly,     // it left with exit code 0 before its end
    kTimedOut,       // by processor time or by the clock
    kTooMuchOutput,  // more than Sandbox.output_bytes
    kTooMuchDisk,    // more than Sandbox.disk_bytes in its work folder
    kKilled          // by a signal: a crash, or the machine had no memory left
  };
  Verdict verdict = Verdict::kFailed;
  int status = 0;      // exit code, of kKilled the signal
  std::string errors;  // the end of what it wrote on standard error
};

// "passed", "failed", "ended early", ...: as records have it.
const char* name_of(ProgramRun::Verdict verdict);

// Whether any task needs a sandbox.
bool runs_programs(const EvalSettings& settings);

// Runs Python programs that nobody trusts (docs/evals.md, "Programs"), each in one process of its own without
// network, processes, signals to others, or any file but the interpreter's and its own work folder, within
// limits of time, memory, output and disk; nothing of it is left afterwards.
class CodeSandbox {
 public:
  // Tries it with each task's interpreter. Throws Error(kEnvironment) where this machine can not keep a
  // program in, or the interpreter does not work.
  explicit CodeSandbox(const EvalSettings& settings);

  // Any number of threads may call.
  ProgramRun run(const Sandbox& settings, const std::string& program) const;

 private:
  std::vector<sock_filter> filter_;
};

}  // namespace sextant::trainer
