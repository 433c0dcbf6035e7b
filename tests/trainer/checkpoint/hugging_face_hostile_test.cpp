// What is refused of a Hugging Face folder, and what is said.
#include <gtest/gtest.h>

#include "data/durable_file.h"
#include "tests/harness/checkout.h"
#include "tests/harness/golden.h"
#include "tests/trainer/checkpoint/state.h"
#include "trainer/checkpoint/export.h"
#include "trainer/checkpoint/hugging_face_config.h"
#include "trainer/checkpoint/import.h"
#include "trainer/checkpoint/safetensors_index.h"

namespace sextant::trainer::hugging_face_hostile_test {
namespace {

using namespace trainer::testing;
using golden::Json;

template <class Action>
std::string refused(Action action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInput);
    return error.what();
  }
  return "not refused";
}

Json config_of(const std::string& name) {
  return golden::load("hugging_face/" + name + "/config.json");
}

std::string refused_config(const std::string& name, const Json& changes) {
  Json config = config_of(name);
  config.merge_patch(changes);
  return refused([&] { parse_hf_config(config.dump(), "c"); });
}

TEST(HostileConfig, NamesKeyAndReason) {
  EXPECT_EQ(refused_config("llama", {{"architectures", {"PhiForCausalLM"}}}),
            "c: architectures: 'PhiForCausalLM' is not supported; these are: GPT2LMHeadModel, "
            "LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM, MixtralForCausalLM, "
            "Qwen3MoeForCausalLM");
  EXPECT_EQ(refused_config("llama", {{"hidden_act", "gelu"}}),
            "c: hidden_act: 'gelu' is not supported; only 'silu' is");
  EXPECT_EQ(refused_config("llama", {{"rope_scaling", {{"rope_type", "yarn"}, {"factor", 4.0}}}}),
            "c: rope_scaling.rope_type: 'yarn' is not supported; default, linear and llama3 are");
  EXPECT_EQ(refused_config("llama", {{"num_hidden_layers", 0}}),
            "c: num_hidden_layers: 0 is not between 1 and 10000");
  EXPECT_EQ(refused_config("llama", {{"hidden_size", 18446744073709551615ULL}}),
            "c: hidden_size: 18446744073709551615 is above 1048576");
  EXPECT_EQ(refused_config("llama", {{"hidden_size", -16}}),
            "c: hidden_size: -16 is not between 1 and 1048576");
  EXPECT_EQ(refused_config("llama", {{"hidden_size", 1.5}}), "c: hidden_size: is no whole number");
  EXPECT_EQ(refused_config("llama", {{"rms_norm_eps", 0}}), "c: rms_norm_eps: 0 is not above 0");
  EXPECT_NE(refused_config("llama", {{"num_key_value_heads", 3}}).find("do not divide"), std::string::npos);
  EXPECT_EQ(refused_config("llama", {{"num_local_experts", 8}}),
            "c: num_local_experts: LlamaForCausalLM with experts is not supported; MixtralForCausalLM and "
            "Qwen3MoeForCausalLM are");
  EXPECT_NE(refused_config("qwen2", {{"quantization_config", {{"bits", 4}}}}).find("quantised"),
            std::string::npos);
  EXPECT_NE(refused_config("qwen2_window", {{"layer_types", {"full_attention", "sliding_attention"}}})
                .find("1 of 2 layers see a window"),
            std::string::npos);
  EXPECT_NE(refused_config("gpt2", {{"scale_attn_by_inverse_layer_idx", true}}).find("not supported"),
            std::string::npos);
  Json config = config_of("llama");
  config.erase("vocab_size");
  EXPECT_EQ(refused([&] { parse_hf_config(config.dump(), "c"); }), "c: vocab_size: is missing");
}

TEST(HostileConfig, ExpertsNameKeyAndReason) {
  EXPECT_EQ(refused_config("mixtral", {{"num_local_experts", 0}}),
            "c: num_local_experts: 0 is not between 1 and 65536");
  EXPECT_NE(refused_config("mixtral", {{"num_experts_per_tok", 5}}).find("can not go to 5 of 4 experts"),
            std::string::npos);
  EXPECT_EQ(
      refused_config("qwen3_moe", {{"mlp_only_layers", {1}}}),
      "c: mlp_only_layers: makes layer 1 dense between layers with experts; only the first layers can be");
  EXPECT_EQ(refused_config("qwen3_moe", {{"mlp_only_layers", {-1}}}),
            "c: mlp_only_layers: -1 is not between 0 and 16777216");
  EXPECT_EQ(refused_config("qwen3_moe", {{"mlp_only_layers", {0, 1, 2}}}),
            "c: decoder_sparse_step: leaves no layer with experts; give a dense architecture");
  EXPECT_EQ(refused_config("qwen3_moe", {{"decoder_sparse_step", 2}, {"mlp_only_layers", Json::array()}}),
            "not refused");
  EXPECT_EQ(refused_config("qwen3_moe", {{"router_aux_loss_coef", -1}}),
            "c: router_aux_loss_coef: -1 is not above 0");
}

TEST(HostileConfig, NoTextBreaksIt) {
  EXPECT_NE(refused([] { parse_hf_config("", "c"); }).find("is no JSON"), std::string::npos);
  EXPECT_EQ(refused([] { parse_hf_config("[1]", "c"); }), "c: is no JSON object");
  EXPECT_EQ(refused([] { parse_hf_config(std::string(100'000, '['), "c"); }),
            "c: nested deeper than 32 levels");
  std::string long_list = "{\"layer_types\":[0";
  for (int i = 0; i < 200'000; ++i) long_list += ",0";
  EXPECT_EQ(refused([&] { parse_hf_config(long_list + "]}", "c"); }), "c: holds more than 200000 values");
  EXPECT_NE(refused([] { parse_hf_config(std::string(2 << 20, ' '), "c"); }).find("too many"),
            std::string::npos);
}

TEST(HostileIndex, NamesStayInTheFolder) {
  auto refuse = [](const std::string& name) {
    return refused([&] { parse_safetensors_index(R"({"weight_map": {"a": ")" + name + "\"}}", "i"); });
  };
  for (const char* name : {"../a.safetensors", "/etc/a.safetensors", "a/b.safetensors", "..", "", "a.bin",
                           ".safetensors", "-a.safetensors"}) {
    EXPECT_NE(refuse(name).find("is no name of a .safetensors file"), std::string::npos) << name;
  }
  EXPECT_EQ(refused([] { parse_safetensors_index("{}", "i"); }), "i: its weight_map names no file");
  EXPECT_NE(refused([] { parse_safetensors_index(R"({"weight_map": {"a": {}}})", "i"); }), "");
  EXPECT_NE(
      refused([] { parse_safetensors_index(R"({"weight_map": {"a": 5}})", "i"); }).find("names of files"),
      std::string::npos);
  EXPECT_NE(refused([] { parse_safetensors_index(std::string(1000, '['), "i"); }).find("deeper"),
            std::string::npos);
}

class HostileFolder : public TemporaryFolder {
 protected:
  void SetUp() override {
    TemporaryFolder::SetUp();
    fs::copy(harness::checkout() / "tests/golden/hugging_face/llama", folder_ / "model");
    fs::permissions(folder_ / "model", fs::perms::owner_all);
  }
  std::string refused_with(const Json& changes) {
    Json config = config_of("llama");
    config.merge_patch(changes);
    data::write_file(folder_ / "model/config.json", config.dump());
    return refused([&] { open_foreign_model(folder_ / "model"); });
  }
};

TEST_F(HostileFolder, WeightsAndSettingsMustBelongTogether) {
  EXPECT_EQ(refused_with(Json::object()), "not refused");
  EXPECT_NE(refused_with({{"num_hidden_layers", 3}}).find("no tensor 'model.layers.2."), std::string::npos);
  EXPECT_NE(refused_with({{"num_hidden_layers", 1}}).find("holds a tensor 'model.layers.1."),
            std::string::npos);
  EXPECT_NE(refused_with({{"num_hidden_layers", 10000}}).find("10000 layers, but the folder's files hold 20"),
            std::string::npos);
  EXPECT_NE(refused_with({{"intermediate_size", 24}})
                .find("'model.layers.0.mlp.gate_proj.weight' has the shape [20, 16], but by the model's "
                      "settings it is [24, 16]"),
            std::string::npos);
  EXPECT_NE(refused_with({{"tie_word_embeddings", false}}).find("no tensor 'lm_head.weight'"),
            std::string::npos);
}

TEST_F(HostileFolder, MissingFilesAreNamed) {
  fs::remove(folder_ / "model/model.safetensors");
  EXPECT_NE(refused_with(Json::object()).find("holds neither model.safetensors nor"), std::string::npos);
  data::write_file(folder_ / "model/pytorch_model.bin", "x");
  EXPECT_NE(refused_with(Json::object()).find("is a pickle, which may run code"), std::string::npos);
  EXPECT_NE(refused([&] { open_foreign_model(folder_ / "none"); }), "not refused");
}

TEST_F(HostileFolder, OutputIsNeverOverwritten) {
  ForeignModel model = open_foreign_model(folder_ / "model");
  data::write_file(folder_ / "model/keep", "x");
  EXPECT_NE(refused([&] { write_imported(model, folder_ / "model", "test"); }).find("is there already"),
            std::string::npos);
  EXPECT_TRUE(fs::exists(folder_ / "model/keep"));
  fs::create_directory(folder_ / "empty");
  write_imported(model, folder_ / "empty", "test");
  EXPECT_TRUE(fs::exists(folder_ / "empty/manifest.pb"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 2)
      << "nothing half written stays";
}

TEST(Export, RefusesWhatNoArchitectureComputes) {
  ModelSettings settings = parse_hf_config(config_of("qwen3").dump(), "c").settings;
  settings.set_query_key_value_bias(true);
  EXPECT_NE(refused([&] { architecture_for(settings); }).find("can not be exported"), std::string::npos);
}

}  // namespace
}  // namespace sextant::trainer::hugging_face_hostile_test
