#include <stdexcept>
#include <string_view>

#include "data/tokenizer/tokenizer.h"
#include "parallel/base/error.h"
#include "tests/fuzz/target.h"
#include "trainer/checkpoint/hugging_face_config.h"
#include "trainer/checkpoint/safetensors_index.h"
#include "trainer/generation/stop_tokens.h"

namespace sextant::fuzz {
namespace {

std::string_view text_of(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Of no matter to what is tried here.
const data::Tokenizer& three_tokens() {
  static const auto kTokenizer = data::Tokenizer::from_json(
      R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]},
          "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
          "decoder": {"type": "ByteLevel"}})",
      "three tokens");
  return kTokenizer;
}

}  // namespace

// What is accepted must come out of our own config.json again.
void hugging_face_config(std::span<const uint8_t> bytes) {
  trainer::HfConfig read = trainer::parse_hf_config(text_of(bytes), "fuzz/config.json");
  trainer::HfArchitecture architecture = trainer::architecture_for(read.settings);
  std::string written = trainer::write_hf_config(read.settings, architecture, {"float32"});
  std::string again;
  try {
    again = trainer::parse_hf_config(written, "again").settings.SerializeAsString();
  } catch (const Error& error) {
    throw std::logic_error(error.what());
  }
  if (again != read.settings.SerializeAsString())
    throw std::logic_error("a model's settings change when they are written and read");
}

void safetensors_index(std::span<const uint8_t> bytes) {
  for (const std::string& name : trainer::parse_safetensors_index(text_of(bytes), "fuzz.index.json")) {
    if (name.find('/') != std::string::npos) throw std::logic_error("an index leads out of its folder");
  }
}

// A generation_config.json that came with an imported model.
void generation_config(std::span<const uint8_t> bytes) {
  for (int32_t id : trainer::stop_tokens(three_tokens(), text_of(bytes), "fuzz/generation_config.json")) {
    if (id < 0 || id >= three_tokens().vocabulary()) throw std::logic_error("an accepted id is no token");
  }
}

}  // namespace sextant::fuzz
