#include "trainer/config/show.h"

#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <regex>

#include "tests/trainer/config/config_text.h"
#include "trainer/config/yaml_writer.h"

namespace sextant::trainer::show_test {
namespace {

using google::protobuf::util::MessageDifferencer;

Run resolved(const std::string& yaml, const std::vector<std::string>& overrides = {},
             Origins* origins = nullptr) {
  trainer::Run run = run_of(yaml, overrides, origins);
  fill_defaults(run, 512);
  return run;
}

void expect_same_after_reload(const Run& run, const std::string& text) {
  Run again = run_of(text);
  MessageDifferencer differencer;
  std::string difference;
  differencer.ReportDifferencesToString(&difference);
  EXPECT_TRUE(differencer.Compare(run, again)) << difference << text;
}

TEST(ToYaml, LoadsBackToTheEqualMessage) {
  expect_same_after_reload(run_of(kNeeded), to_yaml(run_of(kNeeded)));
  trainer::Run run = resolved(
      "run: {seed: 18446744073709551615, steps: 3}\nmodel: {kind: gpt2, norm_epsilon: 1.25e-7}\n"
      "data: {tokenizer: t, train: [a, {prefix: b, weight: 0.30000000000000004}], valid: [v]}\n"
      "optimizer: {learning_rate: 1e-300, epsilon: 5e-324}\n");
  expect_same_after_reload(run, to_yaml(run));
  EXPECT_EQ(to_yaml(run), to_yaml(run_of(to_yaml(run))));
}

TEST(ToYaml, KeepsSectionsThatAreEmpty) {
  trainer::Run run = run_of(with_needed("model: {}\n"));
  ASSERT_TRUE(run.has_model());
  EXPECT_EQ(to_yaml(run),
            "model: {}\n"
            "data:\n"
            "  tokenizer: t.json\n"
            "  train:\n"
            "    - prefix: a\n");
  expect_same_after_reload(run, to_yaml(run));
}

TEST(ToYaml, QuotesTextThatYamlWouldRead) {
  trainer::Run run = run_of(kNeeded);
  std::vector<std::string> texts = {"",
                                    " ",
                                    "a ",
                                    " a",
                                    "true",
                                    "Null",
                                    "~",
                                    "on",
                                    "010",
                                    "1e3",
                                    "-",
                                    "- a",
                                    "a: b",
                                    "a #b",
                                    "#a",
                                    "[a]",
                                    "{a: 1}",
                                    "&a",
                                    "*a",
                                    "!t",
                                    "'q'",
                                    "\"q\"",
                                    "a\"b",
                                    "back\\s",
                                    "tab\there",
                                    "new\nline",
                                    "\n",
                                    "\r\n",
                                    "\x01\x7f",
                                    "%x",
                                    "@a",
                                    "`a`",
                                    "|",
                                    ">",
                                    "? a",
                                    "---",
                                    "...",
                                    "2026-01-01",
                                    ".inf",
                                    "NaN",
                                    "a,b",
                                    "<<",
                                    "caf\xc3\xa9",
                                    "\xc2\x85 \xe2\x80\xa8 \xef\xbb\xbf",
                                    "\xf0\x9f\x8c\x8d",
                                    "=",
                                    "/a/b c_d-e.f",
                                    "./a",
                                    "../a",
                                    "runs/x",
                                    std::string("nul\0byte", 8),
                                    std::string(5000, 'x'),
                                    std::string(300, ' ') + "x"};
  for (const std::string& text : texts) run.mutable_run()->add_sample_prompts(text);
  expect_same_after_reload(run, to_yaml(run));
  EXPECT_EQ(yaml_scalar("/a/b c_d-e.f"), "/a/b c_d-e.f");
  EXPECT_EQ(yaml_scalar("true"), "\"true\"");
  EXPECT_EQ(yaml_scalar("2026-01-01"), "\"2026-01-01\"");
}

TEST(ShowYaml, NamesEachOrigin) {
  Origins origins;
  trainer::Run run =
      resolved("run: {steps: 20}\ndata:\n  tokenizer: t.json\n  train: [a]\n", {"run.seed=3"}, &origins);
  std::string text = show_yaml(run, origins);
  EXPECT_TRUE(holds(text, "\n  steps: 20                        # x.yaml:1:14\n")) << text;
  EXPECT_TRUE(holds(text, "\n  seed: 3                          # command line\n")) << text;
  EXPECT_TRUE(holds(text, "\n  micro_batch: 8                   # default\n")) << text;
  EXPECT_TRUE(holds(text, "\n  kv_heads: 12                     # default: heads\n")) << text;
  EXPECT_TRUE(holds(text, "\n    - prefix: a                    # x.yaml:4:11\n      weight: 1")) << text;
  EXPECT_TRUE(
      holds(text, "\n  # data:                          # default: all ranks that the other axes leave\n"))
      << text;
}

TEST(ShowYaml, LoadsBackToTheEqualMessage) {
  Origins origins("odd\nname: x.yaml");
  trainer::Run run = resolved(with_needed("run: {sample_prompts: [\"a # b\", \"new\\nline\"]}\n"));
  origins.record("run.steps", Place{"odd\nname: x.yaml", 1, 1});
  expect_same_after_reload(run, show_yaml(run, origins));
}

TEST(ShowList, HasALineForEachValue) {
  Origins origins;
  std::string text = show_list(resolved(with_needed("run: {steps: 20}\n"), {}, &origins), origins);
  // Columns are as wide as their longest entry.
  auto has_line = [&](const char* line) { return std::regex_search(text, std::regex(line)); };
  EXPECT_TRUE(has_line("\nrun\\.steps +20 +x\\.yaml:2:14\n")) << text;
  EXPECT_TRUE(has_line("\nparallel\\.data +- +default: all ranks")) << text;
  EXPECT_TRUE(has_line("\ndata\\.train\\.0\\.prefix +a +x\\.yaml:1:35\n")) << text;
}

TEST(ShowJson, HoldsValuesAndOrigins) {
  Origins origins;
  trainer::Run run = resolved(with_needed("run: {seed: 18446744073709551615}\n"),
                              {"optimizer.learning_rate=2e-3"}, &origins);
  auto json = nlohmann::json::parse(show_json(run, origins));
  EXPECT_EQ(json["config"]["run"]["seed"].get<uint64_t>(), ~uint64_t{0});
  EXPECT_EQ(json["config"]["optimizer"]["learning_rate"], 2e-3);
  EXPECT_EQ(json["config"]["model"]["kind"], "llama");
  EXPECT_EQ(json["config"]["model"]["qk_norm"], false);
  EXPECT_EQ(json["config"]["data"]["train"][0]["prefix"], "a");
  EXPECT_TRUE(json["config"]["parallel"]["data"].is_null());
  EXPECT_EQ(json["origins"]["run.seed"], "x.yaml:2:13");
  EXPECT_EQ(json["origins"]["optimizer.learning_rate"], "command line");
  EXPECT_EQ(json["origins"]["data.train.0.weight"], "default");
}

}  // namespace
}  // namespace sextant::trainer::show_test
