#include "tests/fuzz/target.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

#include "parallel/base/error.h"

namespace sextant::fuzz {
namespace {

constexpr std::array kTargets{
    Target{"yaml", yaml},
    Target{"tokenizer_json", tokenizer_json},
    Target{"tiktoken", tiktoken},
    Target{"token_index", token_index},
    Target{"token_sums", token_sums},
    Target{"safetensors", safetensors},
    Target{"manifest", manifest},
    Target{"json_lines", json_lines},
    Target{"gguf", gguf},
    Target{"llama2c", llama2c},
    Target{"hugging_face_config", hugging_face_config},
    Target{"safetensors_index", safetensors_index},
    Target{"generation_config", generation_config},
};

}  // namespace

std::span<const Target> targets() {
  return kTargets;
}

void run(std::string_view name, std::span<const uint8_t> bytes) {
  for (const Target& target : kTargets) {
    if (name != target.name) continue;
    try {
      target.run(bytes);
    } catch (const Error&) {
      // The parser's own refusal.
    }
    return;
  }
  throw std::invalid_argument(fmt::format("no fuzz target is called {}", name));
}

MemoryFile::MemoryFile(std::span<const uint8_t> bytes) : descriptor_(::memfd_create("fuzz", MFD_CLOEXEC)) {
  if (descriptor_ < 0) throw std::runtime_error("no file in memory");
  size_t written = 0;
  while (written < bytes.size()) {
    ssize_t count = ::write(descriptor_, bytes.data() + written, bytes.size() - written);
    if (count <= 0) throw std::runtime_error("a file in memory can not be written");
    written += static_cast<size_t>(count);
  }
}

MemoryFile::~MemoryFile() {
  ::close(descriptor_);
}

std::string MemoryFile::path() const {
  return fmt::format("/proc/self/fd/{}", descriptor_);
}

}  // namespace sextant::fuzz
