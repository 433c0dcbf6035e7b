// YAML that other loaders crash on, burn minutes on or misread: refused here with a place, in no time.

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <ctime>

#include "tests/trainer/config/config_text.h"

namespace sextant::trainer::hostile_test {
namespace {

struct Hostile {
  std::string name;
  std::string yaml;
  std::string expected;  // what the message must hold
};

std::string repeated(const std::string& text, size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += text;
  return out;
}

std::string alias_bomb() {
  std::string yaml = "a: &a [x,x,x,x,x,x,x,x,x]\n";
  for (char c = 'b'; c <= 'h'; ++c) {
    std::string before = repeated("*" + std::string(1, static_cast<char>(c - 1)) + ",", 8);
    yaml += fmt::format("{}: &{} [{}*{}]\n", c, c, before, static_cast<char>(c - 1));
  }
  return yaml;
}

std::string many_keys(size_t count) {
  std::string yaml;
  for (size_t i = 0; i < count; ++i) yaml += fmt::format("k{}: 1\n", i);
  return yaml;
}

std::vector<Hostile> hostile_files() {
  std::string needed = kNeeded;
  return {
      {"cyclic alias", "a: &a [*a]\n", "x.yaml:1:4: &a is an anchor; anchors and aliases are not allowed"},
      {"alias bomb", alias_bomb(), "x.yaml:8:4: &h is an anchor"},
      {"harmless alias", needed + "run: &r {steps: 5}\n", "x.yaml:2:6: &r is an anchor"},
      {"alias of nothing", needed + "run: *r\n",
       "x.yaml:2:6: this is not YAML: the referenced anchor is not defined"},
      {"merge key", needed + "run:\n  <<: {steps: 5}\n", "x.yaml:3:3: << merges another map in"},
      {"duplicate section", needed + "run: {steps: 1}\nrun: {steps: 5}\n",
       "x.yaml:3:1: \"run\" is given twice, first on line 2; keep one of them"},
      {"duplicate key", needed + "run:\n  steps: 1\n  seed: 1\n  steps: 2\n",
       "x.yaml:5:3: \"run.steps\" is given twice, first on line 3"},
      {"duplicate key in a list", "data:\n  train: [a, {prefix: b, prefix: c}]\n",
       "\"data.train.1.prefix\" is given twice"},
      {"second document", needed + "---\nx: 1\n", "x.yaml:2:1: a second document"},
      {"python tag", needed + "run: !!python/object/apply:os.system ['true']\n",
       "x.yaml:2:6: \"tag:yaml.org,2002:python/object/apply:os.system\" is a tag"},
      {"string tag", needed + "run: {steps: !!int 5}\n", "x.yaml:2:14: \"tag:yaml.org,2002:int\" is a tag"},
      {"tag on a map", needed + "run: !x {steps: 5}\n", "x.yaml:2:6: \"!x\" is a tag"},
      {"octal", needed + "run: {seed: 010}\n", "x.yaml:2:13: run.seed: \"010\" has a leading zero"},
      {"on", needed + "data2: {}\nmodel: {qk_norm: on}\n",
       "x.yaml:3:18: model.qk_norm: \"on\" is neither true nor"},
      {"infinity", needed + "optimizer: {learning_rate: .inf}\n",
       "x.yaml:2:28: optimizer.learning_rate: \".inf\""},
      {"list as key", needed + "? [a]\n: 1\n", "x.yaml:2:3: a key must be a name"},
      {"empty key", needed + ": 1\n", "a key must be a name"},
      {"NUL", needed + "run: {folder: \"a" + std::string(1, '\0') + "\"}", "x.yaml:2:17: a NUL byte"},
      {"control character", needed + "run: {folder: \"\x1b[2J\"}", "x.yaml:2:16: control character 0x1b"},
      {"C1 control character", needed + "run: {folder: \"\xc2\x9b\"}", "x.yaml:2:16: control character 0x9b"},
      {"lone carriage return", needed + "run: {}\rmodel: {}", "x.yaml:2:8: control character 0x0d"},
      {"end of transmission", needed + "\x04 zzz: 1", "x.yaml:2:1: control character 0x04"},
      {"Latin-1", needed + "run: {folder: caf\xe9}", "x.yaml:2:18: byte 0xe9 is not UTF-8"},
      {"overlong slash", needed + "run: {folder: \xc0\xaf}", "x.yaml:2:15: byte 0xc0 is not UTF-8"},
      {"surrogate", needed + "run: {folder: \xed\xa0\x80}", "x.yaml:2:15: byte 0xed is not UTF-8"},
      {"UTF-16",
       std::string("\xff\xfe"
                   "a\0:\0",
                   6),
       "x.yaml:1:1: byte 0xff is not UTF-8"},
      {"cut character", needed + "run: {folder: \xe2\x82", "x.yaml:2:15: byte 0xe2 is not UTF-8"},
      {"unclosed quote", needed + "run: {folder: \"a}\n", "this is not YAML"},
      {"unclosed bracket", "run: {steps: 1\n", "this is not YAML"},
      {"tab as indentation", "run:\n\tsteps: 1\n", "x.yaml:2:"},
      {"two values", "run: steps: 1\n", "x.yaml:1:11: this is not YAML"},
      {"unknown directive", "%YAML 3.0\n---\nrun: {}\n", "x.yaml:1:1: this is not YAML"},
      {"nested lists", repeated("[", 9'000), "nested deeper than 64 levels"},
      {"nested maps", repeated("{", 9'000), "nested deeper than 64 levels"},
      {"nested pairs", repeated("[a: ", 9'000), "nested deeper than 64 levels"},
      {"nested dashes", repeated("- ", 100'000), "nested deeper than 64 levels"},
      {"nested questions", repeated("? ", 100'000), "nested deeper than 64 levels"},
      {"many brackets", repeated("[", 200'000), "x.yaml:1:10001: more than 10000 brackets and commas"},
      {"long line", "a: " + repeated("x", 250'000), "x.yaml:1:1: a: unknown key"},
      {"long key", repeated("k", 250'000) + ": 1\n", "this is not YAML"},
      {"long quoted key", "? \"" + repeated("k", 250'000) + "\"\n: 1\n", "unknown key \"kkkkkk"},
      {"many keys", many_keys(25'000), "x.yaml:5000:"},
      {"many values", "a:\n" + repeated("- x\n", 60'000), "more than 10000 values"},
      {"many commas", "[" + repeated(",", 250'000), "x.yaml:1:"},
      {"many anchors", "a: [" + repeated("&a x,", 4'000) + "]", "and 3983 more"},
      {"one key often", repeated("k: 1\n", 9'000), "\"k\" is given twice, first on line 1"},
      {"many documents", repeated("---\n", 60'000), "a second document"},
      {"wide characters", "a: [\"" + repeated("\xc3\xa9", 100'000) + "\", &b 1]",
       "x.yaml:1:100009: &b is an anchor"},
  };
}

TEST(Hostile, IsRefusedWithItsPlaceInUnderASecond) {
  for (const Hostile& hostile : hostile_files()) {
    SCOPED_TRACE(hostile.name);
    // Processor time: what another program takes of the machine is none of ours.
    std::clock_t start = std::clock();
    std::string text = refusal_of(hostile.yaml);
    double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    EXPECT_TRUE(holds(text, hostile.expected)) << text.substr(0, 2000);
    EXPECT_LT(seconds, 1.0);
    EXPECT_LT(text.size(), 10'000u);
  }
}

TEST(Hostile, StillTellsTheOtherFaults) {
  std::string text = refusal_of("run: &r {steps: -1}\nmodel: {hedas: 4}\n" + std::string(kNeeded));
  EXPECT_TRUE(holds(text, "x.yaml:1:6: &r is an anchor")) << text;
  EXPECT_TRUE(holds(text, "x.yaml:1:17: run.steps: \"-1\" is out of range")) << text;
  EXPECT_TRUE(holds(text, "x.yaml:2:9: model.hedas: unknown key; did you mean heads?")) << text;
}

// The cases of a run that a user mistypes, over a good file.
TEST(Hostile, MistypedRunsAreRefusedWithTheirLine) {
  const std::string run =
      "run: {steps: 20, seed: 7, global_batch: 8, micro_batch: 1, checkpoint_every: 10}\n";
  const std::string model =
      "model: {kind: llama, layers: 4, width: 64, heads: 4, kv_heads: 2, ffn_width: 128, context: 64}\n";
  const std::string rest = "numerics: {compute: fp32}\ndata: {tokenizer: t.json, train: [train]}\n";
  const std::string optimizer = "optimizer: {kind: adamw, learning_rate: 1e-3}\n";
  EXPECT_EQ(refusal_of(run + model + optimizer + rest, {"run.folder=/tmp/x"}), "");
  EXPECT_EQ(refusal_of(run + model + "optimizer: {kind: adamw, lerning_rate: 1e-3}\n" + rest),
            "x.yaml:3:26: optimizer.lerning_rate: unknown key; did you mean learning_rate?");
  EXPECT_EQ(
      refusal_of(run + model + "optimizer: {kind: adamw, learning_rate: fast}\n" + rest),
      "x.yaml:3:41: optimizer.learning_rate: \"fast\" is not a number; write digits such as 0.001 or 1e-3");
  EXPECT_EQ(refusal_of(run + model + optimizer + rest + "run: {steps: 5}\n"),
            "x.yaml:6:1: \"run\" is given twice, first on line 1; keep one of them");
  EXPECT_EQ(refusal_of("run: {steps: -1, global_batch: 8}\n" + model + optimizer + rest),
            "x.yaml:1:14: run.steps: \"-1\" is out of range; give at least 1");
  EXPECT_EQ(
      refusal_of(run + "model: {width: 64, heads: 5, kv_heads: 2}\n" + optimizer + rest),
      "x.yaml:2:27: model.heads: 5 heads do not divide model.width=64; set model.heads=4 or 8\n"
      "x.yaml:2:40: model.kv_heads: 2 key and value heads do not divide model.heads=5; set model.kv_heads=1");
  EXPECT_EQ(refusal_of(run + model + optimizer + rest + "---\nx: 1\n").substr(0, 31),
            "x.yaml:6:1: a second document; ");
}

}  // namespace
}  // namespace sextant::trainer::hostile_test
