// llama2.c's files: where each weight lies, rotary rows put back, and headers that lie.
#include "trainer/checkpoint/llama2c.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "data/durable_file.h"
#include "tests/trainer/checkpoint/state.h"
#include "trainer/checkpoint/import.h"

namespace sextant::trainer::llama2c_test {
namespace {

using namespace trainer::testing;

// A file whose numbers count from 0: width 8, hidden 6, 2 layers, 2 heads, 1 key head, 5 ids, context 3.
std::string counting_file(int32_t vocabulary) {
  std::vector<int32_t> header{8, 6, 2, 2, 1, vocabulary, 3};
  int64_t layer = 8 + 64 + 32 + 32 + 64 + 8 + 3 * 48;
  int64_t count = 40 + 2 * layer + 8 + 3 * 4 + (vocabulary < 0 ? 40 : 0);
  std::vector<float> numbers(static_cast<size_t>(count));
  std::iota(numbers.begin(), numbers.end(), 0.0f);
  std::string bytes(reinterpret_cast<const char*>(header.data()), 28);
  return bytes.append(reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(float));
}

class Llama2c : public TemporaryFolder {
 protected:
  ForeignModel open(const std::string& bytes) {
    data::write_file(folder_ / "model.bin", bytes);
    return open_foreign_model(folder_ / "model.bin");
  }
  std::string refused(const std::string& bytes) {
    try {
      open(bytes);
    } catch (const Error& error) {
      return error.what();
    }
    return "not refused";
  }
};

at::Tensor weight(const ForeignModel& model, const std::string& name) {
  for (const ForeignWeight& candidate : model.weights) {
    if (candidate.name == name) return candidate.read();
  }
  return {};
}

TEST_F(Llama2c, EveryWeightIsFoundInItsPlace) {
  ForeignModel model = open(counting_file(-5));
  EXPECT_EQ(model.settings.vocabulary(), 5);
  EXPECT_FALSE(model.settings.tied_embeddings());
  auto first = [&](const char* name) { return weight(model, name).flatten()[0].item<double>(); };
  EXPECT_EQ(first("embedding.weight"), 0);
  EXPECT_EQ(first("blocks.1.attention_norm.weight"), 40 + 8);
  EXPECT_EQ(first("blocks.0.attention.value.weight"), 40 + 16 + 128 + 64);
  EXPECT_EQ(first("final_norm.weight"), 40 + 2 * 352);
  EXPECT_EQ(first("output.weight"), 40 + 2 * 352 + 8 + 12) << "behind the tables of cosines and sines";
  // Heads of 4 channels: rows 0 1 2 3 turn as (0, 1), (2, 3); ours turn as (0, 2), (1, 3).
  at::Tensor query = weight(model, "blocks.0.attention.query.weight");  // [8, 8]
  at::Tensor rows = (query.select(1, 0) - 56) / 8;
  EXPECT_TRUE(rows.equal(at::tensor({0.f, 2.f, 1.f, 3.f, 4.f, 6.f, 5.f, 7.f}))) << rows;
}

TEST_F(Llama2c, TiedModelsHaveNoOutputLayer) {
  ForeignModel model = open(counting_file(5));
  EXPECT_TRUE(model.settings.tied_embeddings());
  EXPECT_FALSE(weight(model, "output.weight").defined());
}

TEST_F(Llama2c, HeadersMustFitTheFile) {
  std::string file = counting_file(5);
  EXPECT_NE(refused("").find("only 0 bytes long"), std::string::npos);
  EXPECT_NE(refused(file + "x").find("by its header, a model of llama2.c of"), std::string::npos);
  EXPECT_NE(refused(file.substr(0, 100)).find("by its header"), std::string::npos);
  for (size_t field = 0; field < 7; ++field) {
    for (int32_t value : {0, -1, 0x7fffffff, -0x7fffffff - 1, 1000}) {
      std::string hostile = file;
      std::memcpy(hostile.data() + 4 * field, &value, sizeof value);
      EXPECT_NE(refused(hostile), "not refused") << field << " " << value;
    }
  }
}

}  // namespace
}  // namespace sextant::trainer::llama2c_test
