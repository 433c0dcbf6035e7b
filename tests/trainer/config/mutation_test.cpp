// A good file with bytes changed loads or is refused; nothing else happens.

#include <gtest/gtest.h>

#include "parallel/base/seed.h"
#include "tests/trainer/config/config_text.h"
#include "trainer/config/yaml_writer.h"

namespace sextant::trainer::mutation_test {
namespace {

const char* kGood =
    "# A run.\n"
    "run: {steps: 20, seed: 7, global_batch: 8, micro_batch: 1, sample_prompts: [\"a\\n\", 'b']}\n"
    "model:\n"
    "  kind: llama\n"
    "  qk_norm: true\n"
    "optimizer: {learning_rate: 1e-3}\n"
    "data:\n"
    "  tokenizer: t.json\n"
    "  train:\n"
    "    - a\n"
    "    - prefix: >-\n"
    "        b\n"
    "      weight: 2.5\n";

// What YAML and our own rules give a meaning, so that changes go deeper than a random byte would.
const std::string kMarks = "[]{}:,-?#&*!|>'\"%@`~<\\ \n\t0123456789.eExtrufalsn_\r\xc3\xa9\x01";

std::string mutated(const RandomKey& key, uint64_t round) {
  std::string text = kGood;
  uint64_t changes = 1 + key.below(3, round, 0);
  for (uint64_t change = 0; change < changes; ++change) {
    uint64_t draw = 10 * (change + 1);
    size_t at = key.below(text.size(), round, draw);
    char mark = kMarks[key.below(kMarks.size(), round, draw + 1)];
    switch (key.below(5, round, draw + 2)) {
      case 0:
        text[at] = mark;
        break;
      case 1:
        text.insert(at, 1, mark);
        break;
      case 2:
        text.erase(at, 1 + key.below(5, round, draw + 3));
        break;
      case 3:
        text.insert(at, text.substr(key.below(text.size(), round, draw + 4), 20));
        break;
      default:
        text[at] = static_cast<char>(key.below(256, round, draw + 5));
        break;
    }
    if (text.empty()) text = "a";
  }
  return text;
}

TEST(Mutation, LoadsOrIsRefused) {
  RandomKey key(1, "mutated configuration");
  int loaded = 0, refused = 0;
  for (uint64_t round = 0; round < 4000; ++round) {
    std::string text = mutated(key, round);
    try {
      Origins origins;
      trainer::Run run = run_of(text, {}, &origins);
      complaints(run, 4);
      EXPECT_EQ(to_yaml(run), to_yaml(run_of(to_yaml(run)))) << text;
      ++loaded;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInput);
      EXPECT_TRUE(std::string(error.what()).starts_with("x.yaml")) << error.what();
      ++refused;
    }
  }
  // Both kinds of outcome are exercised.
  EXPECT_GT(loaded, 100);
  EXPECT_GT(refused, 1000);
}

TEST(Mutation, OfOverridesLoadsOrIsRefused) {
  RandomKey key(2, "mutated configuration");
  for (uint64_t round = 0; round < 2000; ++round) {
    std::string text = mutated(key, round);
    size_t at = key.below(text.size(), round, 1000);
    std::string override_text = "data.train=" + text.substr(at, 30);
    try {
      run_of(kGood, {override_text});
    } catch (const Error& error) {
      EXPECT_TRUE(std::string(error.what()).starts_with("command line: ")) << error.what();
    }
  }
}

}  // namespace
}  // namespace sextant::trainer::mutation_test
