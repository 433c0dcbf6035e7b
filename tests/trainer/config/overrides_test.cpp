#include "trainer/config/overrides.h"

#include <gtest/gtest.h>

#include "tests/trainer/config/config_text.h"
#include "trainer/config/yaml_writer.h"

namespace sextant::trainer::overrides_test {
namespace {

TEST(Overrides, ReplaceWhatTheFileSays) {
  Origins origins;
  trainer::Run run =
      run_of(with_needed("run: {steps: 5, seed: 3}\n"), {"run.steps=9", "model.layers=4"}, &origins);
  EXPECT_EQ(run.run().steps(), 9);
  EXPECT_EQ(run.run().seed(), 3u);
  EXPECT_EQ(run.model().layers(), 4);
  EXPECT_EQ(origins.find("run.steps")->text(), "command line");
  EXPECT_EQ(origins.find("run.seed")->text(), "x.yaml:2:23");
  EXPECT_EQ(origins.find("model.layers")->text(), "command line");
  EXPECT_EQ(origins.find("model.width"), nullptr);
}

TEST(Overrides, GiveWhatTheFileLeavesOut) {
  trainer::Run run =
      run_of("run: {steps: 5}\n", {"data.tokenizer=t.json", "data.train=[a, {prefix: b, weight: 2}]"});
  ASSERT_EQ(run.data().train_size(), 2);
  EXPECT_EQ(run.data().train(0).prefix(), "a");
  EXPECT_EQ(run.data().train(1).weight(), 2);
}

TEST(Overrides, ReplaceListsAsAWholeAndEntriesByIndex) {
  std::string yaml =
      "data: {tokenizer: t, train: [{prefix: a, weight: 3}, b]}\nrun: {sample_prompts: [x, y]}\n";
  Origins origins;
  trainer::Run run =
      run_of(yaml, {"data.train.1.weight=0.5", "data.train.0=c d", "run.sample_prompts.1=\"q\""}, &origins);
  EXPECT_EQ(run.data().train(0).prefix(), "c d");
  EXPECT_FALSE(run.data().train(0).has_weight());
  EXPECT_EQ(run.data().train(1).prefix(), "b");
  EXPECT_EQ(run.data().train(1).weight(), 0.5);
  EXPECT_EQ(run.run().sample_prompts(1), "q");
  EXPECT_EQ(origins.find("data.train.0.weight"), nullptr);
  EXPECT_EQ(origins.find("data.train.1.prefix")->text(), "x.yaml:1:54");

  run = run_of(yaml, {"data.train=[z]", "data.train.0.weight=2"}, &origins);
  ASSERT_EQ(run.data().train_size(), 1);
  EXPECT_EQ(run.data().train(0).weight(), 2);
  EXPECT_EQ(origins.find("data.train.1.prefix"), nullptr);
}

// A name that no enum's value in a message can have.
TEST(Overrides, GiveChoicesByTheirYamlNames) {
  trainer::Run run = run_of(kNeeded, {"parallel.schedule=1f1b"});
  EXPECT_EQ(run.parallel().schedule(), parallel::MeshSettings::one_forward_one_backward);
  EXPECT_TRUE(holds(to_yaml(run), "schedule: 1f1b"));
  EXPECT_EQ(refusal_of(kNeeded, {"parallel.schedule=1f2b"}),
            "command line: parallel.schedule: \"1f2b\" is not one of gpipe, 1f1b, interleaved, zero_bubble, "
            "zero_bubble_v; did you mean 1f1b?");
}

TEST(Overrides, SetSeveralKeysOfASection) {
  trainer::Run run = run_of(with_needed("model: {layers: 2, width: 64}\n"), {"model={width: 128, heads: 2}"});
  EXPECT_EQ(run.model().layers(), 2);
  EXPECT_EQ(run.model().width(), 128);
  EXPECT_EQ(run.model().heads(), 2);
}

TEST(Overrides, TakeTextAsTheShellPassedIt) {
  auto folder = [](const std::string& value) {
    return run_of(kNeeded, {"run.folder=" + value}).run().folder();
  };
  EXPECT_EQ(folder("/a/b #c: d"), "/a/b #c: d");
  EXPECT_EQ(folder("[x]"), "[x]");
  EXPECT_EQ(folder("a=b"), "a=b");
  EXPECT_EQ(folder("*star"), "*star");
  EXPECT_EQ(folder("\"quoted\""), "quoted");
}

TEST(Overrides, AreCheckedAsTheFileIs) {
  auto refused = [](const std::vector<std::string>& overrides) { return refusal_of(kNeeded, overrides); };
  EXPECT_EQ(refused({"optimizer.lerning_rate=1"}),
            "command line: optimizer.lerning_rate: unknown key; did you mean learning_rate?");
  EXPECT_EQ(refused({"layers=1"}), "command line: layers: unknown key here; did you mean model.layers?");
  EXPECT_EQ(
      refused({"run.steps=010"}),
      "command line: run.steps: \"010\" has a leading zero, which some readers take for octal; write 10");
  EXPECT_EQ(refused({"run.steps=0"}), "command line: run.steps: \"0\" is out of range; give at least 1");
  EXPECT_EQ(refused({"model.qk_norm=yes"}),
            "command line: model.qk_norm: \"yes\" is neither true nor false; write true");
  EXPECT_EQ(refused({"run.steps.x=1"}),
            "command line: run.steps.x: steps holds one value and has no key \"x\"");
  EXPECT_EQ(refused({"data.train.3.weight=1"}),
            "command line: data.train.3.weight: train is a list; \"3\" is not an index from 0 to 0");
  EXPECT_EQ(refused({"data.valid.0.weight=1"}),
            "command line: data.valid.0.weight: valid is a list and holds nothing; give it as valid=[...]");
  EXPECT_EQ(refused({"data.train=a"}),
            "command line: data.train: \"a\" stands where a list belongs; write [a]");
  EXPECT_TRUE(holds(refused({"data.train=[&a b, *a]"}), "command line: data.train: &a is an anchor"));
  EXPECT_TRUE(holds(refused({"data.train=[a"}), "command line: data.train: this is not YAML"));
  EXPECT_TRUE(holds(refused({"model={layers: 1, layers: 2}"}), "\"layers\" is given twice"));
  EXPECT_TRUE(holds(refused({"model.layers=4\n---\n5"}), "command line: model.layers: a second document"));
}

TEST(Overrides, RefuseWhatIsNoAssignment) {
  auto refused = [](const std::vector<std::string>& overrides) { return refusal_of(kNeeded, overrides); };
  EXPECT_EQ(refused({"run.steps"}),
            "command line: \"run.steps\" is not key.path=value, such as run.steps=100");
  EXPECT_EQ(refused({"=5"}), "command line: \"=5\" is not key.path=value, such as run.steps=100");
  EXPECT_EQ(refused({"run.folder="}), "command line: run.folder: no value after the =");
  EXPECT_EQ(refused({"run.steps=5", "run.steps=6"}),
            "command line: run.steps: given twice on the command line; keep one of them");
  EXPECT_TRUE(holds(refused({"run.folder=caf\xe9"}), "command line: byte 0xe9 is not UTF-8"));
  EXPECT_TRUE(holds(refused({".=1"}), "command line: .: unknown key"));
  EXPECT_TRUE(holds(refused({"run..steps=1"}), "command line: run..steps: unknown key"));
}

}  // namespace
}  // namespace sextant::trainer::overrides_test
