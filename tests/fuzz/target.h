#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace sextant::fuzz {

// A parser of ours that reads bytes from outside. run() hands it any bytes at all and uses what it accepts.
// An Error is the right answer to bad bytes; any other exception, crash or outsized allocation is a defect.
struct Target {
  const char* name;
  void (*run)(std::span<const uint8_t> bytes);
};

// One for each file format that we read; their seeds lie in tests/fuzz/corpus/NAME.
std::span<const Target> targets();

// Runs one target, and turns Errors into silence. Throws std::invalid_argument for an unknown name.
void run(std::string_view name, std::span<const uint8_t> bytes);

// A file in memory that holds the bytes, for parsers that want a path. Gone with the object.
class MemoryFile {
 public:
  explicit MemoryFile(std::span<const uint8_t> bytes);
  ~MemoryFile();
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const;

 private:
  int descriptor_;
};

void yaml(std::span<const uint8_t> bytes);
void tokenizer_json(std::span<const uint8_t> bytes);
void tiktoken(std::span<const uint8_t> bytes);
void token_index(std::span<const uint8_t> bytes);
void token_sums(std::span<const uint8_t> bytes);
void safetensors(std::span<const uint8_t> bytes);
void manifest(std::span<const uint8_t> bytes);
void json_lines(std::span<const uint8_t> bytes);
void gguf(std::span<const uint8_t> bytes);
void llama2c(std::span<const uint8_t> bytes);
void hugging_face_config(std::span<const uint8_t> bytes);
void safetensors_index(std::span<const uint8_t> bytes);
void generation_config(std::span<const uint8_t> bytes);

}  // namespace sextant::fuzz
