// `sextant config` as a user runs it.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/harness/checkout.h"

namespace sextant::launch::config_command_test {
namespace {

struct Outcome {
  int exit_code = -1;
  std::string out;  // standard output and error together
};

class ConfigCommand : public ::testing::Test {
 protected:
  ConfigCommand()
      : folder_(std::filesystem::temp_directory_path() / ("sextant_config_" + std::to_string(getpid()))) {
    std::filesystem::create_directories(folder_);
  }
  ~ConfigCommand() override { std::filesystem::remove_all(folder_); }

  Outcome run(const std::string& arguments) const {
    std::string command =
        fmt::format("cd '{}' && '{}' {} 2>&1", folder_.string(), harness::executable().string(), arguments);
    FILE* pipe = popen(command.c_str(), "r");
    Outcome outcome;
    std::array<char, 4096> chunk;
    for (size_t count; (count = fread(chunk.data(), 1, chunk.size(), pipe)) > 0;) {
      outcome.out.append(chunk.data(), count);
    }
    int status = pclose(pipe);
    outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return outcome;
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name) << text;
  }

  std::filesystem::path folder_;
};

const char* kYaml = "run: {steps: 20}\ndata: {tokenizer: t.json, train: [a]}\n";

TEST_F(ConfigCommand, ShowsWhatItCanReadAgain) {
  write("x.yaml", kYaml);
  Outcome first = run("config show x.yaml model.layers=3 > y.yaml");
  EXPECT_EQ(first.exit_code, 0) << first.out;
  Outcome shown = run("config show y.yaml --origins");
  EXPECT_EQ(shown.exit_code, 0);
  EXPECT_NE(shown.out.find("model.layers                           3 "), std::string::npos) << shown.out;
  EXPECT_NE(shown.out.find("run.folder                             runs/x "), std::string::npos) << shown.out;
  EXPECT_EQ(run("config show x.yaml --json").exit_code, 0);
}

TEST_F(ConfigCommand, RefusesWithExitCodeTwo) {
  write("x.yaml", fmt::format("{}model: {{heads: 5, hedas: 4}}\n", kYaml));
  Outcome outcome = run("config show x.yaml run.steps=010");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(
      outcome.out,
      "sextant: x.yaml:3:19: model.hedas: unknown key; did you mean heads?\n"
      "command line: run.steps: \"010\" has a leading zero, which some readers take for octal; write 10\n");
  write("x.yaml", fmt::format("{}model: {{heads: 5}}\n", kYaml));
  outcome = run("config show x.yaml");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.out,
            "sextant: x.yaml:3:16: model.heads: 5 heads do not divide model.width=768; set "
            "model.heads=4 or 6\n");
  outcome = run("config show absent.yaml");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.out, "sextant: absent.yaml: cannot be read: No such file or directory (2)\n");
}

TEST_F(ConfigCommand, PrintsReferenceAndSchema) {
  Outcome outcome = run("config reference");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_NE(outcome.out.find("| `run.steps` | whole number, steps | `1000` |"), std::string::npos);
  outcome = run("config schema");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.out.substr(0, 2), "{\n");
}

TEST_F(ConfigCommand, HelpHasAnExample) {
  for (const char* command :
       {"config --help", "config show --help", "config reference --help", "config schema --help"}) {
    Outcome outcome = run(command);
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_NE(outcome.out.find("Example: sextant config"), std::string::npos) << outcome.out;
  }
}

}  // namespace
}  // namespace sextant::launch::config_command_test
