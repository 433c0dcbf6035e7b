#include "parallel/base/error.h"

#include <fmt/format.h>

#include <system_error>

namespace sextant {
namespace {

std::string place(const std::source_location& where) {
  std::string file = where.file_name();
  for (const char* room : {"parallel/", "data/", "trainer/", "rlhf/", "launch/"}) {
    if (auto at = file.rfind(room); at != std::string::npos) file = file.substr(at);
  }
  return fmt::format("{}:{}", file, where.line());
}

}  // namespace

Error::Error(ErrorKind kind, const std::string& message, std::source_location where)
    : std::runtime_error(message), kind_(kind), source_(place(where)) {}

void fail_input(const std::string& message, std::source_location where) {
  throw Error(ErrorKind::kInput, message, where);
}

void fail_environment(const std::string& message, std::source_location where) {
  throw Error(ErrorKind::kEnvironment, message, where);
}

void require(bool holds, const std::string& message, std::source_location where) {
  if (!holds) fail_input(message, where);
}

void expect(bool holds, const char* promise, std::source_location where) {
  if (!holds) throw std::logic_error(fmt::format("{}: broken promise: {}", place(where), promise));
}

std::string system_error_text(int error_number) {
  return fmt::format("{} ({})", std::generic_category().message(error_number), error_number);
}

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInput:
      return 2;
    case ErrorKind::kEnvironment:
      return 1;
    case ErrorKind::kStopped:
      return 75;
  }
  return 1;
}

}  // namespace sextant
