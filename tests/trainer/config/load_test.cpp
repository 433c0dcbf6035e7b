#include "trainer/config/load.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/trainer/config/config_text.h"

namespace sextant::trainer::load_test {
namespace {

TEST(Load, ReadsEveryKindOfValue) {
  trainer::Run run = run_of(
      "# a comment\n"
      "run: {steps: 20, seed: 18446744073709551615, sample_prompts: [\"a: b\", plain text], folder: 010}\n"
      "model:\n"
      "  kind: gpt2\n"
      "  tied_embeddings: false\n"
      "optimizer: {learning_rate: 3e-4, grad_clip: 1}\n"
      "data:\n"
      "  tokenizer: t.json\n"
      "  train:\n"
      "    - a\n"
      "    - {prefix: b, weight: 2}\n");
  EXPECT_EQ(run.run().steps(), 20);
  EXPECT_EQ(run.run().seed(), ~uint64_t{0});
  ASSERT_EQ(run.run().sample_prompts_size(), 2);
  EXPECT_EQ(run.run().sample_prompts(0), "a: b");
  EXPECT_EQ(run.run().sample_prompts(1), "plain text");
  EXPECT_EQ(run.run().folder(), "010");
  EXPECT_EQ(run.model().kind(), ModelSettings::gpt2);
  EXPECT_TRUE(run.model().has_tied_embeddings());
  EXPECT_FALSE(run.model().tied_embeddings());
  EXPECT_EQ(run.optimizer().learning_rate(), 3e-4);
  EXPECT_EQ(run.optimizer().grad_clip(), 1);
  ASSERT_EQ(run.data().train_size(), 2);
  EXPECT_EQ(run.data().train(0).prefix(), "a");
  EXPECT_EQ(run.data().train(0).weight(), 1);
  EXPECT_EQ(run.data().train(1).weight(), 2);
}

TEST(Load, AcceptsAByteOrderMarkAndWindowsLineEnds) {
  EXPECT_EQ(run_of("\xef\xbb\xbfrun:\r\n  steps: 7\r\ndata: {tokenizer: t, train: [a]}\r\n").run().steps(),
            7);
}

TEST(Load, NamesAllFaultsAtOnceInTheOrderOfTheFile) {
  std::string text = refusal_of(
      "run:\n"
      "  steps: -1\n"
      "  sead: 7\n"
      "model: {heads: 5.5, kind: lama}\n"
      "data: {tokenizer: t.json}\n",
      {"run.seed=x"});
  EXPECT_EQ(text,
            "x.yaml:2:10: run.steps: \"-1\" is out of range; give at least 1\n"
            "x.yaml:3:3: run.sead: unknown key; did you mean seed?\n"
            "x.yaml:4:16: model.heads: \"5.5\" is not a whole number\n"
            "x.yaml:4:27: model.kind: \"lama\" is not one of llama, gpt2; did you mean llama?\n"
            "x.yaml:5:1: data.train: missing; it has no default: Corpora to train on.\n"
            "command line: run.seed: \"x\" is not a whole number; write digits such as 100");
}

TEST(Load, CountsWhatIsBeyondTwentyFaults) {
  std::string yaml = kNeeded;
  for (int i = 0; i < 25; ++i) yaml += "zzzz" + std::to_string(i) + ": 1\n";
  std::string text = refusal_of(yaml);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 20);
  EXPECT_TRUE(text.ends_with("\nand 5 more")) << text;
}

TEST(Load, SaysWhereAMisplacedKeyBelongs) {
  EXPECT_TRUE(holds(refusal_of(with_needed("layers: 4\n")),
                    "x.yaml:2:1: layers: unknown key here; did you mean model.layers?"));
  EXPECT_TRUE(
      holds(refusal_of(with_needed("model: {learning_rate: 1}\n")),
            "x.yaml:2:9: model.learning_rate: unknown key here; did you mean optimizer.learning_rate?"));
  EXPECT_TRUE(holds(refusal_of(with_needed("model: {lerning_rate: 1}\n")),
                    "unknown key here; did you mean optimizer.learning_rate?"));
  EXPECT_TRUE(holds(refusal_of(with_needed("run.steps: 4\n")), "write steps under run:"));
  EXPECT_TRUE(holds(refusal_of(with_needed("model: {qqqqqqqq: 1}\n")),
                    "unknown key \"qqqqqqqq\"; the keys here are kind, layers, width"));
}

TEST(Load, ChecksRanges) {
  auto refused = [](const std::string& yaml) { return refusal_of(with_needed(yaml)); };
  EXPECT_EQ(refused("optimizer: {learning_rate: 0}"),
            "x.yaml:2:28: optimizer.learning_rate: 0 is out of range; give a number above 0");
  EXPECT_EQ(refused("optimizer: {final_fraction: 1.5}"),
            "x.yaml:2:29: optimizer.final_fraction: 1.5 is out of range; give a number 0 to 1");
  EXPECT_EQ(refused("optimizer: {final_fraction: -1e-9}"),
            "x.yaml:2:29: optimizer.final_fraction: -1e-9 is out of range; give a number 0 to 1");
  EXPECT_EQ(refused("parallel: {zero_stage: 4}"),
            "x.yaml:2:24: parallel.zero_stage: \"4\" is out of range; give at most 3");
  EXPECT_EQ(refused("model: {layers: 99999999999}"),
            "x.yaml:2:17: model.layers: \"99999999999\" is out of range; give at most 10000");
  EXPECT_EQ(refused("run: {seed: -1}"), "x.yaml:2:13: run.seed: \"-1\" is out of range; give at least 0");
  EXPECT_EQ(refused("run: {sample_tokens: 2147483648}"),
            "x.yaml:2:22: run.sample_tokens: \"2147483648\" is out of range; give at most 2147483647");
  EXPECT_EQ(refused("optimizer: {final_fraction: 1, beta1: 0, grad_clip: 0}"), "");
}

TEST(Load, ChecksTypes) {
  auto refused = [](const std::string& yaml) { return refusal_of(with_needed(yaml)); };
  EXPECT_EQ(refused("run: {steps: \"20\"}"),
            "x.yaml:2:14: run.steps: \"20\" is quoted text where a whole number belongs; remove the quotes");
  EXPECT_EQ(refused("run: {steps: [20]}"),
            "x.yaml:2:14: run.steps: a list stands where a whole number belongs");
  EXPECT_EQ(refused("run: {steps: {a: 1}}"),
            "x.yaml:2:14: run.steps: a section of keys stands where a whole number belongs");
  EXPECT_EQ(refused("run: {steps: }"),
            "x.yaml:2:14: run.steps: an empty value stands where a whole number belongs; give a value, or "
            "remove the "
            "key");
  EXPECT_EQ(
      refused("run: {folder: ~}"),
      "x.yaml:2:15: run.folder: an empty value stands where a path belongs; give a value, or remove the key");
  EXPECT_EQ(refused("run: {sample_prompts: hello}"),
            "x.yaml:2:23: run.sample_prompts: \"hello\" stands where a list belongs; write [hello]");
  EXPECT_EQ(refused("run: {folder: \"\"}"),
            "x.yaml:2:15: run.folder: an empty path; remove the key or give a path");
  EXPECT_EQ(refused("run: {folder: \"a\\0b\"}"),
            "x.yaml:2:15: run.folder: \"a\\x00b\" holds a control character, which a path must not");
  EXPECT_TRUE(holds(refused("model: 5"),
                    "x.yaml:2:8: model: \"5\" stands where a section of keys belongs (kind, layers, "));
  EXPECT_TRUE(holds(refused("model:"), "model: an empty value stands where a section of keys belongs"));
  EXPECT_TRUE(
      holds(refusal_of("[a, b]"), "x.yaml:1:1: a list stands where a section of keys belongs (run, "));
  EXPECT_TRUE(holds(refusal_of("hello"), "x.yaml:1:1: \"hello\" stands where a section of keys belongs"));
}

TEST(Load, NamesMissingKeysAtTheirSection) {
  EXPECT_EQ(
      refusal_of("data:\n  train: [{weight: 2}]\n  tokenizer: t\n"),
      "x.yaml:2:11: data.train.0.prefix: missing; it has no default: Path of the shard without .bin or .idx, "
      "as given to `sextant data build --output`.");
  EXPECT_TRUE(holds(refusal_of("run: {steps: 3}"), "x.yaml: data.tokenizer: missing; it has no default"));
  EXPECT_TRUE(holds(refusal_of("data: {tokenizer: t, train: []}"), "x.yaml:1:29: data.train: missing"));
}

TEST(Load, CountsColumnsInCharacters) {
  EXPECT_EQ(refusal_of("run: {folder: \"\xc3\xa9\xc3\xa9\", steps: x}\n" + std::string(kNeeded)),
            "x.yaml:1:28: run.steps: \"x\" is not a whole number; write digits such as 100");
}

TEST(Load, RefusesFilesThatAreNoConfiguration) {
  EXPECT_EQ(refusal_of(""),
            "x.yaml:1:1: holds no settings\n"
            "x.yaml: data.tokenizer: missing; it has no default: A tokenizer.json in Hugging Face's "
            "format, as `sextant tokenizer train` writes it, a folder that holds one, or a .tiktoken file.\n"
            "x.yaml: data.train: missing; it has no default: Corpora to train on.");
  EXPECT_TRUE(holds(refusal_of("# only a comment\n"), "x.yaml:1:1: holds no settings"));
  EXPECT_TRUE(holds(refusal_of("---\n"), "x.yaml:1:1: holds no settings"));
}

class LoadFile : public ::testing::Test {
 protected:
  LoadFile()
      : folder_(std::filesystem::temp_directory_path() / ("sextant_load_" + std::to_string(getpid()))) {
    std::filesystem::create_directories(folder_);
  }
  ~LoadFile() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }
  static std::string refusal(const std::filesystem::path& file) {
    try {
      load_run(file, {}, nullptr);
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  }

  std::filesystem::path folder_;
};

TEST_F(LoadFile, NamesTheRunFolderAfterTheFile) {
  std::filesystem::path file = write("tiny.yaml", kNeeded);
  EXPECT_EQ(load_run(file, {}, nullptr).run().folder(), "runs/tiny");
  EXPECT_EQ(load_run(file, {"run.folder=/tmp/x y"}, nullptr).run().folder(), "/tmp/x y");
}

TEST_F(LoadFile, NamesFilesThatCanNotBeRead) {
  EXPECT_EQ(refusal(folder_ / "absent.yaml"),
            (folder_ / "absent.yaml").string() + ": cannot be read: No such file or directory (2)");
  EXPECT_EQ(refusal(folder_), folder_.string() + ": a folder; give a YAML file");
  std::filesystem::path large = write("large.yaml", "a: " + std::string(10 << 20, 'x'));
  EXPECT_EQ(refusal(large), large.string() + ": longer than 262144 bytes; this is no configuration file");
  EXPECT_TRUE(holds(refusal("/dev/zero"), "/dev/zero: longer than 262144 bytes"));
}

}  // namespace
}  // namespace sextant::trainer::load_test
