#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace sextant::trainer {

// SHA-256 (FIPS 180-4) of bytes that come piece by piece.
class Sha256 {
 public:
  Sha256();
  ~Sha256();

  void add(const void* bytes, size_t count);
  // The digest in 64 hexadecimal digits; ends the hash.
  std::string hex();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

std::string sha256_of(std::string_view text);

}  // namespace sextant::trainer
