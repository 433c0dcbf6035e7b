#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "parallel/base/error.h"
#include "trainer/config/load.h"
#include "trainer/config/rules.h"

namespace sextant::trainer {

// Every needed key, for tests that are about other ones.
inline constexpr const char* kNeeded = "data: {tokenizer: t.json, train: [a]}\n";

inline std::string with_needed(const std::string& more) {
  return fmt::format("{}{}", kNeeded, more);
}

inline Run run_of(const std::string& yaml, const std::vector<std::string>& overrides = {},
                  Origins* origins = nullptr) {
  Run run;
  load_config_text(yaml, "x.yaml", overrides, run, origins);
  return run;
}

// The message with which a YAML text is refused, "" when it is not. Rules across fields are asked too.
inline std::string refusal_of(const std::string& yaml, const std::vector<std::string>& overrides = {},
                              int64_t world_size = 0) {
  try {
    Origins origins;
    Run run = run_of(yaml, overrides, &origins);
    check(complaints(run, world_size), origins);
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInput);
    return error.what();
  }
}

inline bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace sextant::trainer
