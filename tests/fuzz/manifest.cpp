#include "trainer/checkpoint/manifest.h"

#include <cstring>
#include <vector>

#include "data/durable_file.h"
#include "parallel/base/error.h"
#include "tests/fuzz/target.h"

namespace sextant::fuzz {
namespace {

constexpr size_t kPrefix = 24;  // magic, length, checksum

void put_number(std::vector<uint8_t>& bytes, size_t at, uint64_t number) {
  std::memcpy(bytes.data() + at, &number, sizeof number);
}

}  // namespace

// The bytes as they are, and with length and checksum put right: nothing else gets past these two.
void manifest(std::span<const uint8_t> bytes) {
  try {
    MemoryFile file(bytes);
    trainer::read_manifest(file.path());
  } catch (const Error&) {
    // Then what stands behind the checksum is tried.
  }
  if (bytes.size() < kPrefix) return;
  std::vector<uint8_t> mended(bytes.begin(), bytes.end());
  std::memcpy(mended.data(), "SXTCKPT1", 8);
  put_number(mended, 8, mended.size() - kPrefix);
  put_number(mended, 16, data::checksum(std::span<const uint8_t>(mended).subspan(kPrefix)));
  MemoryFile file(mended);
  trainer::read_manifest(file.path());
}

}  // namespace sextant::fuzz
