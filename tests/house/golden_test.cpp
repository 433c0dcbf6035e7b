#include <gtest/gtest.h>

#include <numeric>

#include "tests/harness/golden.h"

namespace sextant::golden::golden_test {
namespace {

const std::vector<std::string> kModelFiles = {"llama.json",
                                              "llama_tied.json",
                                              "llama_qk_norm.json",
                                              "llama_documents.json",
                                              "gpt2.json",
                                              "training_llama.json",
                                              "training_gpt2.json",
                                              "llama3.json",
                                              "mistral.json",
                                              "mistral_documents.json",
                                              "qwen2.json",
                                              "qwen3.json",
                                              "training_llama3.json",
                                              "training_mistral.json",
                                              "training_qwen2.json",
                                              "training_qwen3.json",
                                              "mixtral.json",
                                              "mixtral_balance.json",
                                              "qwen3_moe.json"};

// The reader's formula against what the writer stored, to the bit; keys follow the sorted names.
TEST(Golden, WeightsFollowTheFormula) {
  for (const std::string& name : kModelFiles) {
    const Json file = load(name);
    uint64_t key = 0;
    for (const auto& [parameter, entry] : file.at("parameters").items()) {
      const std::vector<double> made = values(entry);
      const std::vector<double> first = numbers(entry.at("first"));
      ASSERT_EQ(entry.at("key").get<uint64_t>(), ++key) << name << " " << parameter;
      ASSERT_EQ(first.size(), 2U);
      EXPECT_EQ(made[0], first[0]) << name << " " << parameter;
      EXPECT_EQ(made[1], first[1]) << name << " " << parameter;
    }
  }
}

// What a file says twice must agree: losses of tokens with their sum, norms of gradients with the global
// norm.
TEST(Golden, PartsAgreeWithTotals) {
  for (const std::string name :
       {"llama.json", "llama_tied.json", "llama_qk_norm.json", "llama_documents.json", "gpt2.json",
        "llama3.json", "mistral.json", "mistral_documents.json", "qwen2.json", "qwen3.json", "mixtral.json",
        "qwen3_moe.json"}) {
    const Json file = load(name);
    const std::vector<double> losses = numbers(file.at("token_loss").at("values"));
    const std::vector<double> mask = numbers(file.at("batch").at("loss_mask"));
    const double sum = std::inner_product(losses.begin(), losses.end(), mask.begin(), 0.0);
    EXPECT_NEAR(sum, file.at("loss_sum").get<double>(), 1e-11) << name;
    EXPECT_NEAR(sum / file.at("loss_count").get<double>(), file.at("loss_mean").get<double>(), 1e-12) << name;
    double squares = 0;
    for (const auto& [parameter, entry] : file.at("gradients").items()) {
      const double l2 = summary(entry).l2;
      EXPECT_GT(l2, 0) << name << " " << parameter;
      squares += l2 * l2;
    }
    const double norm = file.at("gradient_norm").get<double>();
    EXPECT_NEAR(squares, norm * norm, 1e-11 * squares) << name;
    EXPECT_EQ(file.at("gradients").size(), file.at("parameters").size()) << name;
  }
}

}  // namespace
}  // namespace sextant::golden::golden_test
