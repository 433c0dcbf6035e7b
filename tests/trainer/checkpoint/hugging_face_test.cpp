// Hugging Face folders in and out: logits and greedy tokens of transformers, and export's equality.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "data/durable_file.h"
#include "data/tokenizer/tokenizer.h"
#include "tests/harness/checkout.h"
#include "tests/harness/golden.h"
#include "tests/harness/imported_model.h"
#include "tests/trainer/checkpoint/state.h"
#include "trainer/checkpoint/box.h"
#include "trainer/checkpoint/export.h"
#include "trainer/checkpoint/hugging_face_config.h"
#include "trainer/checkpoint/import.h"
#include "trainer/checkpoint/safetensors.h"
#include "trainer/generation/generate.h"

namespace sextant::trainer::hugging_face_test {
namespace {

using namespace trainer::testing;

fs::path golden_folder(const std::string& name) {
  return harness::checkout() / "tests/golden/hugging_face" / name;
}

// Every tensor of a folder's safetensors files, as type, shape and bytes.
std::map<std::string, std::string> tensors_of(const fs::path& folder) {
  std::map<std::string, std::string> tensors;
  for (const auto& file : fs::directory_iterator(folder)) {
    if (file.path().extension() != ".safetensors") continue;
    data::MappedFile mapped(file.path());
    for (const auto& entry : parse_safetensors(mapped.bytes(), file.path().string()).entries) {
      const auto* begin = reinterpret_cast<const char*>(mapped.bytes().data()) + entry.begin;
      tensors[entry.key] =
          std::string(c10::toString(entry.type)) + shape_text(entry.shape) + std::string(begin, entry.bytes);
    }
  }
  return tensors;
}

class HuggingFace : public TemporaryFolder, public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    TemporaryFolder::SetUp();
    source_ = golden_folder(GetParam());
    expected_ = golden::load(std::string("hugging_face/") + GetParam() + "/expected.json");
    write_imported(open_hugging_face(source_), folder_ / "imported", "test");
  }

  ExportSettings settings_like_source() const {
    ExportSettings settings;
    std::string config = data::read_file(source_ / "config.json");
    if (config.find("bfloat16") != std::string::npos) settings.type = at::kBFloat16;
    if (config.find("\"float16") != std::string::npos) settings.type = at::kHalf;
    return settings;
  }

  fs::path source_;
  golden::Json expected_;
};

TEST_P(HuggingFace, LogitsAndGreedyTokensAreTransformers) {
  auto model = testing_harness::open_model(folder_ / "imported");
  auto ids = golden::integers(expected_["ids"]);
  at::Tensor stored = at::tensor(golden::numbers(expected_["logits_of_last"])).view({8, -1});
  at::Tensor ours = testing_harness::last_logits(*model, ids, 8);
  // fp32 on both sides over widths of 16: a few units of the seventh digit, and seven digits are stored.
  EXPECT_LT((ours - stored).abs().max().item<double>(), 2e-5);
  GenerationSettings greedy;
  greedy.sampling.temperature = 0;
  greedy.tokens = 40;
  auto made = generate(*model, {{ids.begin(), ids.begin() + 8}}, greedy);
  EXPECT_EQ(made[0].ids, expected_["greedy"].get<std::vector<int32_t>>());
}

TEST_P(HuggingFace, ExportGivesBackWhatWasImported) {
  CheckpointReader reader(folder_ / "imported");
  export_hugging_face(reader, settings_like_source(), folder_ / "exported");
  EXPECT_EQ(tensors_of(folder_ / "exported"), tensors_of(source_));
  for (const auto& file : fs::directory_iterator(source_)) {
    std::string name = file.path().filename().string();
    if (name == "expected.json" || name.starts_with("model")) continue;
    std::string ours = data::read_file(folder_ / "exported" / name), theirs = data::read_file(file.path());
    if (name.ends_with(".json")) {
      EXPECT_EQ(golden::Json::parse(ours), golden::Json::parse(theirs)) << name;
    } else {
      EXPECT_EQ(ours, theirs) << name;
    }
  }
}

TEST_P(HuggingFace, ConfigWrittenAnewSaysTheSame) {
  HfConfig read = parse_hf_config(data::read_file(source_ / "config.json"), "config.json");
  EXPECT_EQ(architecture_for(read.settings), read.architecture);
  HfConfig again = parse_hf_config(write_hf_config(read.settings, read.architecture, {"float32"}), "again");
  EXPECT_EQ(again.architecture, read.architecture);
  EXPECT_EQ(again.settings.ShortDebugString(), read.settings.ShortDebugString());
}

TEST_P(HuggingFace, ShardsHoldTheSame) {
  ExportSettings settings = settings_like_source();
  settings.shard_bytes = 4000;
  export_hugging_face(CheckpointReader(folder_ / "imported"), settings, folder_ / "cut");
  EXPECT_FALSE(fs::exists(folder_ / "cut/model.safetensors"));
  EXPECT_EQ(tensors_of(folder_ / "cut"), tensors_of(source_));
  write_imported(open_hugging_face(folder_ / "cut"), folder_ / "again", "test");
  EXPECT_EQ(CheckpointReader(folder_ / "again").weights_sha256(),
            CheckpointReader(folder_ / "imported").weights_sha256());
}

INSTANTIATE_TEST_SUITE_P(Folders, HuggingFace,
                         ::testing::Values("gpt2", "llama", "llama3", "mistral", "qwen2", "qwen2_window",
                                           "qwen3", "mixtral", "qwen3_moe"),
                         [](const auto& named) { return std::string(named.param); });

TEST(HuggingFaceTokenizer, ComesAlong) {
  auto expected = golden::load("hugging_face/llama/expected.json");
  ForeignModel model = open_hugging_face(golden_folder("llama"));
  EXPECT_TRUE(model.notes.empty());
  auto tokenizer = data::Tokenizer::from_json(model.side_files.at("tokenizer.json"), "tokenizer.json");
  EXPECT_EQ(tokenizer.encode("the cat and the in dine"), expected["text_ids"].get<std::vector<int32_t>>());
}

}  // namespace
}  // namespace sextant::trainer::hugging_face_test
