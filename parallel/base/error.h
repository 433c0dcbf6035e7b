#pragma once

#include <source_location>
#include <stdexcept>
#include <string>

namespace sextant {

// What a person can do about an error decides its exit code (see exit_code).
enum class ErrorKind {
  kInput,        // the user's file, configuration or command is wrong: exit 2
  kEnvironment,  // the machine failed us (full disk, lost rank, damaged file while running): exit 1
  kStopped,      // stopped in good order with a checkpoint; starting again goes on: exit 75
};

// An error that a user should see. The message says what, where and how to fix it, with both numbers where
// two disagree, in one or a few lines without a trailing full stop or newline.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message,
        std::source_location where = std::source_location::current());

  ErrorKind kind() const { return kind_; }
  // The place in our source that raised it, as "parallel/mesh.cpp:41"; for bug reports, not for users.
  const std::string& source() const { return source_; }

 private:
  ErrorKind kind_;
  std::string source_;
};

// Throws Error(kInput) or Error(kEnvironment).
[[noreturn]] void fail_input(const std::string& message,
                             std::source_location where = std::source_location::current());
[[noreturn]] void fail_environment(const std::string& message,
                                   std::source_location where = std::source_location::current());

// Throws Error(kInput) unless `holds`. Build costly messages in an `if` instead.
void require(bool holds, const std::string& message,
             std::source_location where = std::source_location::current());

// A broken promise between two of our own functions: throws std::logic_error with file and line.
void expect(bool holds, const char* promise, std::source_location where = std::source_location::current());

// errno as "No space left on device (28)".
std::string system_error_text(int error_number);

// The process exit code that belongs to an error: 2, 1 or 75.
int exit_code(ErrorKind kind);

}  // namespace sextant
