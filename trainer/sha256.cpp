#include "trainer/sha256.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>

#include "parallel/base/error.h"

namespace sextant::trainer {

struct Sha256::Context {
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> digest{EVP_MD_CTX_new(), EVP_MD_CTX_free};
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  EVP_MD_CTX* digest = context_->digest.get();
  expect(digest != nullptr && EVP_DigestInit_ex(digest, EVP_sha256(), nullptr) == 1, "SHA-256 starts");
}

Sha256::~Sha256() = default;

void Sha256::add(const void* bytes, size_t count) {
  expect(EVP_DigestUpdate(context_->digest.get(), bytes, count) == 1, "SHA-256 goes on");
}

std::string Sha256::hex() {
  std::array<unsigned char, 32> digest{};
  expect(EVP_DigestFinal_ex(context_->digest.get(), digest.data(), nullptr) == 1, "SHA-256 ends");
  std::string text;
  for (unsigned char byte : digest) text += fmt::format("{:02x}", byte);
  return text;
}

std::string sha256_of(std::string_view text) {
  Sha256 hash;
  hash.add(text.data(), text.size());
  return hash.hex();
}

}  // namespace sextant::trainer
