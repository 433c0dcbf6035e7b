#pragma once

#include <string>

namespace sextant::trainer {

// What of the file system a sandboxed program can open (Landlock): it reads and runs what is in the system's
// own folders (/usr, /lib) and the interpreter's library, and writes within its work folder alone. A
// descriptor of the kernel's rule set. Move-only.
class SandboxFiles {
 public:
  // Throws Error(kEnvironment) where the kernel has no Landlock.
  explicit SandboxFiles(const std::string& interpreter, const std::string& work_folder);
  ~SandboxFiles();
  SandboxFiles(const SandboxFiles&) = delete;
  SandboxFiles& operator=(const SandboxFiles&) = delete;

  int rules() const { return rules_; }

 private:
  int rules_ = -1;

  void allow(const std::string& path, unsigned long long rights, bool needed) const;
};

}  // namespace sextant::trainer
