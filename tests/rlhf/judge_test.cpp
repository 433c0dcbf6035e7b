// A judge's letters: the softmax of the model's own logits, the same in company as alone; priors by hand.
#include "rlhf/judge.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "rlhf/rubric.h"
#include "rlhf/talking_model.h"
#include "tests/harness/checkout.h"
#include "tests/harness/imported_model.h"
#include "trainer/checkpoint/import.h"

namespace sextant::rlhf::judge_test {
namespace {

namespace fs = std::filesystem;

class Judges : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "judge_XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    trainer::write_imported(
        trainer::open_hugging_face(harness::checkout() / "tests/golden/hugging_face/llama"),
        folder_ / "imported", "test");
    judge_ = std::make_unique<Judge>(folder_ / "imported", at::kCPU);
  }
  void TearDown() override { fs::remove_all(folder_); }

  // By one forward pass of the whole question, and logits.
  std::vector<double> by_forward(const LetteredQuestion& question) const {
    auto model = testing_harness::open_model(folder_ / "imported");
    TalkingModel talks = talking_model(folder_ / "imported", data::ChatSettings(), at::kCPU);
    std::vector<int32_t> ids = talks.form->prompt({{data::Role::kUser, question.text}});
    at::Tensor logits = testing_harness::last_logits(*model, {ids.begin(), ids.end()}, 1)[0];
    at::Tensor letters =
        at::tensor(std::vector<int64_t>(question.letters.begin(), question.letters.end()), at::kLong);
    at::Tensor found = at::softmax(logits.index_select(0, letters).to(at::kDouble), 0);
    return {found.data_ptr<double>(), found.data_ptr<double>() + found.numel()};
  }

  std::vector<std::vector<LetteredQuestion>> questions() const {
    constexpr int32_t a = 65, b = 66, c = 67;
    return {{{"one: is it?", {a, b}}, {"one: what is it?", {a, b, c}}},
            {},
            {{std::string(200, 'x'), {a, b}}},
            {{"two", {c, a}}, {std::string(200, 'x'), {a, b}}, {"two and more", {b, c}}}};
  }

  fs::path folder_;
  std::unique_ptr<Judge> judge_;
};

TEST_F(Judges, SayTheSoftmaxOverTheLetters) {
  auto asked = questions();
  auto said = judge_->choose(asked);
  ASSERT_EQ(said.size(), asked.size());
  int read = 0;
  for (size_t i = 0; i < asked.size(); ++i) {
    ASSERT_EQ(said[i].size(), asked[i].size());
    for (size_t q = 0; q < asked[i].size(); ++q) {
      bool too_long = asked[i][q].text.size() == 200;
      ASSERT_EQ(said[i][q].has_value(), !too_long);
      if (too_long) continue;
      std::vector<double> expected = by_forward(asked[i][q]);
      ASSERT_EQ(said[i][q]->size(), expected.size());
      for (size_t l = 0; l < expected.size(); ++l) EXPECT_NEAR((*said[i][q])[l], expected[l], 1e-5);
      ++read;
    }
  }
  EXPECT_EQ(read, 4);
}

TEST_F(Judges, SayTheSameInCompanyAsAlone) {
  auto asked = questions();
  auto together = judge_->choose(asked);
  for (size_t i = 0; i < asked.size(); ++i) EXPECT_EQ(judge_->choose({asked[i]})[0], together[i]) << i;
}

TEST(Priors, AreTakenOut) {
  // 0.6/0.5 : 0.3/0.1 : 0.1/0.4 = 1.2 : 3 : 0.25
  std::vector<double> found = calibrated({0.6, 0.3, 0.1}, {0.5, 0.1, 0.4});
  EXPECT_NEAR(found[0], 1.2 / 4.45, 1e-15);
  EXPECT_NEAR(found[1], 3 / 4.45, 1e-15);
  EXPECT_NEAR(found[2], 0.25 / 4.45, 1e-15);
}

}  // namespace
}  // namespace sextant::rlhf::judge_test
