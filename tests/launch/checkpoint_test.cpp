// `sextant checkpoint` as a user runs it.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "parallel/group_threads.h"
#include "tests/harness/checkout.h"
#include "tests/trainer/checkpoint/state.h"

namespace sextant::launch::checkpoint_test {
namespace {

namespace fs = std::filesystem;
using namespace trainer::testing;

struct Outcome {
  int code;
  std::string output;  // stdout, then stderr
};

Outcome run(const std::string& arguments) {
  std::string command = harness::executable().string() + " checkpoint " + arguments + " 2>&1";
  FILE* pipe = ::popen(command.c_str(), "r");
  std::string output;
  std::array<char, 4096> part{};
  while (size_t count = std::fread(part.data(), 1, part.size(), pipe)) output.append(part.data(), count);
  int status = ::pclose(pipe);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, output};
}

class CheckpointCommand : public TemporaryFolder {
 protected:
  void SetUp() override {
    TemporaryFolder::SetUp();
    for (int64_t ranks : {1, 2}) {
      parallel::run_ranks(ranks, [&](parallel::Group& world) {
        trainer::Manifest header = header_of(ranks * 100);
        header.mutable_config()->mutable_model()->set_width(12);
        header.set_data_fingerprint(0xabcdef);
        trainer::CheckpointWriter writer(folder_ / "checkpoints", world, {});
        writer.begin(header, cut_state(small_state(), Cut::kDim0, world.rank().value(), ranks),
                     {{"tokenizer.json", "{}"}});
        writer.finish();
      });
    }
  }
};

TEST_F(CheckpointCommand, InspectSaysWhatScriptsRelyOn) {
  Outcome newest = run("inspect --json " + folder_.string());
  ASSERT_EQ(newest.code, 0) << newest.output;
  nlohmann::json summary = nlohmann::json::parse(newest.output);
  EXPECT_EQ(summary["step"], 200);
  EXPECT_EQ(summary["tokens"], 204800);
  EXPECT_EQ(summary["samples"], 1600);
  EXPECT_EQ(summary["world_size"], 2);
  EXPECT_EQ(summary["layout"], "data=1 tensor=1 pipeline=1 context=1 expert=1 zero=0");
  EXPECT_EQ(summary["parameters"], 8 * 12 + 12 + 1);
  EXPECT_EQ(summary["model"]["width"], 12);
  EXPECT_EQ(summary["model"]["kind"], "llama") << "defaults are shown as well";
  EXPECT_EQ(summary["config"]["run"]["seed"], 7);
  EXPECT_EQ(summary["counters"]["bad_steps"], 2);
  EXPECT_EQ(summary["data_fingerprint"], "0000000000abcdef");
  EXPECT_EQ(summary["tensors"]["weights/embedding.weight"]["shape"], (std::vector<int>{8, 12}));
  ASSERT_EQ(summary["files"].size(), 3U);
  EXPECT_EQ(summary["files"][0]["name"], "rank-00000.safetensors");
  EXPECT_GT(summary["files"][0]["bytes"], 0);

  Outcome first = run("inspect --json " + (folder_ / "checkpoints/step-00000100").string());
  nlohmann::json other = nlohmann::json::parse(first.output);
  EXPECT_EQ(other["world_size"], 1);
  EXPECT_EQ(other["weights_sha256"], summary["weights_sha256"]) << "equal weights under another layout";
}

TEST_F(CheckpointCommand, InspectIsReadable) {
  Outcome outcome = run("inspect " + (folder_ / "checkpoints").string());
  EXPECT_EQ(outcome.code, 0);
  for (const char* part :
       {"step-00000200\n", "200 (204,800 tokens, 1,600 samples)", "saved by 2 ranks", "kind llama",
        "optimizer/first_moment", "largest: embedding.weight (8 x 12, F32)", "by rank 1"}) {
    EXPECT_NE(outcome.output.find(part), std::string::npos) << "no '" << part << "' in\n" << outcome.output;
  }
}

TEST_F(CheckpointCommand, VerifyNamesEveryFault) {
  fs::path step = folder_ / "checkpoints/step-00000200";
  Outcome whole = run("verify " + step.string());
  EXPECT_EQ(whole.code, 0) << whole.output;
  EXPECT_NE(whole.output.find("whole, "), std::string::npos) << whole.output;

  std::fstream file(step / "rank-00001.safetensors", std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-3, std::ios::end);
  file.put('\x7f');
  file.close();
  fs::resize_file(step / "rank-00000.safetensors", 100);
  Outcome damaged = run("verify " + step.string());
  EXPECT_EQ(damaged.code, 1);
  for (const char* part :
       {"rank-00000.safetensors (written by rank 0): 100 bytes long", "cut off at byte 100",
        "rank-00001.safetensors (written by rank 1): damaged between bytes", "damaged in 2 places"}) {
    EXPECT_NE(damaged.output.find(part), std::string::npos) << "no '" << part << "' in\n" << damaged.output;
  }
  Outcome inspected = run("inspect " + step.string());
  EXPECT_EQ(inspected.code, 2);
  EXPECT_NE(inspected.output.find("sextant: "), std::string::npos) << inspected.output;
}

TEST_F(CheckpointCommand, VerifyTakesADamagedManifestForDamage) {
  fs::resize_file(folder_ / "checkpoints/step-00000200/manifest.pb", 30);
  Outcome damaged = run("verify " + folder_.string());
  EXPECT_EQ(damaged.code, 1);
  EXPECT_NE(damaged.output.find("manifest.pb"), std::string::npos) << damaged.output;
}

TEST_F(CheckpointCommand, PlacesWithoutACheckpointAreBadInput) {
  fs::create_directory(folder_ / "empty");
  for (const std::string command : {"inspect", "verify"}) {
    Outcome none = run(command + " " + (folder_ / "empty").string());
    EXPECT_EQ(none.code, 2);
    EXPECT_NE(none.output.find("holds no checkpoint"), std::string::npos) << none.output;
    EXPECT_EQ(run(command + " " + (folder_ / "absent").string()).code, 2);
    EXPECT_EQ(run(command).code, 2);
    Outcome help = run(command + " --help");
    EXPECT_EQ(help.code, 0);
    EXPECT_NE(help.output.find("Example"), std::string::npos) << help.output;
  }
}

}  // namespace
}  // namespace sextant::launch::checkpoint_test
