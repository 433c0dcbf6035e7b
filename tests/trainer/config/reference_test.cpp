#include "trainer/config/reference.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/trainer/config/config_text.h"
#include "trainer/config/field.h"

namespace sextant::trainer::reference_test {
namespace {

TEST(Reference, PageNamesEveryKey) {
  std::string page = reference_markdown(*trainer::Run::descriptor());
  for (const std::string& key : all_keys(*trainer::Run::descriptor())) {
    bool in_a_list = key.starts_with("data.train.") || key.starts_with("data.valid.");
    std::string cell = "| `" + (in_a_list ? key.substr(11) : key) + "` |";
    EXPECT_TRUE(holds(page, cell)) << key;
  }
  EXPECT_TRUE(holds(page, "| `optimizer.final_fraction` | number | `0.1` | 0 to 1 | The last learning rate"));
  EXPECT_TRUE(holds(page, "| `data.tokenizer` | path | **must be given** |"));
  EXPECT_TRUE(holds(page, "- `bf16`: Matrices in bfloat16"));
}

// The walk goes through messages, so a key without a sentence is found wherever it is declared.
void expect_documented(const google::protobuf::Descriptor& message) {
  EXPECT_FALSE(documentation_of(message).empty()) << message.full_name();
  for (int i = 0; i < message.field_count(); ++i) {
    const google::protobuf::FieldDescriptor& field = *message.field(i);
    FieldFacts facts = facts_of(field);
    if (field.message_type() != nullptr) expect_documented(*field.message_type());
    if (is_section(field)) continue;
    EXPECT_FALSE(facts.documentation.empty()) << field.full_name();
    bool has_default =
        field.has_default_value() || !facts.default_is.empty() || facts.needed || field.is_repeated();
    EXPECT_TRUE(has_default) << field.full_name() << " needs a default, default_is or needed";
    for (int v = 0; field.enum_type() != nullptr && v < field.enum_type()->value_count(); ++v) {
      EXPECT_FALSE(documentation_of(*field.enum_type()->value(v)).empty())
          << field.enum_type()->value(v)->full_name();
    }
  }
}

TEST(Reference, EveryFieldSaysWhatItIsAndWhatItDefaultsTo) {
  expect_documented(*trainer::Run::descriptor());
}

TEST(Schema, DescribesKeysAsTheLoaderReadsThem) {
  auto schema = nlohmann::json::parse(json_schema(*trainer::Run::descriptor()));
  EXPECT_EQ(schema["$schema"], "http://json-schema.org/draft-07/schema#");
  EXPECT_EQ(schema["additionalProperties"], false);
  auto section = [&](const char* name) { return schema["properties"][name]["properties"]; };
  EXPECT_EQ(section("run")["steps"]["type"], "integer");
  EXPECT_EQ(section("run")["steps"]["minimum"], 1);
  EXPECT_EQ(section("run")["steps"]["default"], 1000);
  EXPECT_EQ(section("run")["seed"]["maximum"].get<uint64_t>(), ~uint64_t{0});
  EXPECT_EQ(section("optimizer")["learning_rate"]["exclusiveMinimum"], 0);
  EXPECT_EQ(section("model")["kind"]["enum"], nlohmann::json({"llama", "gpt2"}));
  EXPECT_EQ(section("model")["qk_norm"]["type"], "boolean");
  auto entry = section("data")["train"]["items"]["anyOf"];
  EXPECT_EQ(entry[0]["type"], "string");
  EXPECT_EQ(entry[1]["required"], nlohmann::json({"prefix"}));
  EXPECT_EQ(entry[1]["additionalProperties"], false);
}

}  // namespace
}  // namespace sextant::trainer::reference_test
