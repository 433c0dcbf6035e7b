// GGUF files against the gguf package's dequantisation and transformers' logits.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "data/durable_file.h"
#include "data/tokenizer/tokenizer.h"
#include "tests/harness/checkout.h"
#include "tests/harness/golden.h"
#include "tests/harness/imported_model.h"
#include "tests/trainer/checkpoint/state.h"
#include "trainer/checkpoint/gguf.h"
#include "trainer/checkpoint/gguf_model.h"
#include "trainer/checkpoint/import.h"

namespace sextant::trainer::gguf_test {
namespace {

using namespace trainer::testing;
using golden::Json;

fs::path golden_file(const std::string& name) {
  return harness::checkout() / "tests/golden/gguf" / (name + ".gguf");
}

std::vector<uint8_t> bytes_of_hex(const std::string& hex) {
  std::vector<uint8_t> bytes(hex.size() / 2);
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<uint8_t>(std::stoi(hex.substr(2 * i, 2), nullptr, 16));
  }
  return bytes;
}

TEST(GgufBlocks, NumbersAreThoseOfTheReference) {
  const std::map<std::string, GgufTensorType> types{
      {"F16", GgufTensorType::kF16},   {"BF16", GgufTensorType::kBF16}, {"Q8_0", GgufTensorType::kQ8_0},
      {"Q4_0", GgufTensorType::kQ4_0}, {"Q4_1", GgufTensorType::kQ4_1}, {"Q5_0", GgufTensorType::kQ5_0},
      {"Q5_1", GgufTensorType::kQ5_1}, {"Q4_K", GgufTensorType::kQ4_K}, {"Q5_K", GgufTensorType::kQ5_K},
      {"Q6_K", GgufTensorType::kQ6_K}};
  Json stored = golden::load("gguf/blocks.json");
  ASSERT_EQ(stored.size(), types.size());
  for (const auto& [name, type] : types) {
    std::vector<uint8_t> bytes = bytes_of_hex(stored[name]["bytes"]);
    auto expected = stored[name]["values"].get<std::vector<float>>();
    std::vector<float> ours(expected.size());
    EXPECT_EQ(gguf_block(static_cast<uint32_t>(type))->name, name);
    dequantise(type, bytes, ours);
    for (size_t i = 0; i < ours.size(); ++i) {
      // The same products and sums in fp32; a fused multiply-add may round the last digit otherwise.
      ASSERT_NEAR(ours[i], expected[i], 2e-7 * std::max(1.0f, std::abs(expected[i]))) << name << " " << i;
    }
  }
}

class Gguf : public TemporaryFolder, public ::testing::WithParamInterface<const char*> {};

TEST_P(Gguf, LogitsAreThoseOfItsDequantisedWeights) {
  Json expected = golden::load(std::string("gguf/") + GetParam() + ".json");
  write_imported(open_foreign_model(golden_file(GetParam())), folder_ / "imported", "test");
  auto model = testing_harness::open_model(folder_ / "imported");
  at::Tensor stored = at::tensor(golden::numbers(expected["logits_of_last"])).view({4, -1});
  at::Tensor ours = testing_harness::last_logits(*model, golden::integers(expected["ids"]), 4);
  // fp32 on both sides over widths of 32; logits reach 10.
  EXPECT_LT((ours - stored).abs().max().item<double>(), 5e-5);
}

INSTANTIATE_TEST_SUITE_P(Files, Gguf, ::testing::Values("gpt2", "llama", "llama3", "qwen2", "qwen3"),
                         [](const auto& named) { return std::string(named.param); });

TEST(GgufModel, SettingsFollowTheMetadata) {
  ModelSettings settings = open_foreign_model(golden_file("llama3")).settings;
  EXPECT_EQ(settings.rotary_scaling().kind(), RotaryScaling::llama3);
  EXPECT_EQ(settings.rotary_scaling().factor(), 8);
  EXPECT_EQ(settings.norm_epsilon(), 2e-5) << "the decimal that was meant, not fp32's nearest";
  EXPECT_FALSE(settings.tied_embeddings());
  EXPECT_EQ(open_foreign_model(golden_file("qwen3")).settings.head_width(), 16);
  EXPECT_TRUE(open_foreign_model(golden_file("qwen2")).settings.query_key_value_bias());
}

TEST(GgufModel, TokenizerAndTemplateComeAlong) {
  ForeignModel model = open_foreign_model(golden_file("llama"));
  EXPECT_TRUE(model.notes.empty());
  auto tokenizer = data::Tokenizer::from_json(model.side_files.at("tokenizer.json"), "tokenizer.json");
  EXPECT_EQ(tokenizer.vocabulary(), 267);
  EXPECT_EQ(tokenizer.special("<|im_start|>"), 1);
  // "12" would merge, but this pre-tokenizer puts each digit alone.
  EXPECT_EQ(tokenizer.encode("12").size(), 2U);
  EXPECT_TRUE(tokenizer.opening().empty());
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("in the end 12\n")), "in the end 12\n");
  EXPECT_EQ(tokenizer.encode(" the").size(), 1U);
  Json config = Json::parse(model.side_files.at("tokenizer_config.json"));
  EXPECT_EQ(config["eos_token"], "<|endoftext|>");
  EXPECT_EQ(config["chat_template"], "{% for m in messages %}<|im_start|>{{ m.role }}{% endfor %}");
  EXPECT_EQ(Json::parse(model.side_files.at("generation_config.json"))["bos_token_id"], 1);
}

TEST(GgufModel, PreTokenizersDiffer) {
  ForeignModel llama3 = open_foreign_model(golden_file("llama3"));
  auto tokenizer = data::Tokenizer::from_json(llama3.side_files.at("tokenizer.json"), "tokenizer.json");
  EXPECT_EQ(tokenizer.encode("12").size(), 1U);
  // llama.cpp puts it there for this pre-tokenizer without being told to.
  EXPECT_EQ(tokenizer.opening(), std::vector<int32_t>{1});
}

}  // namespace
}  // namespace sextant::trainer::gguf_test
