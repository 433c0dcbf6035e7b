// Encodes for tests/bench/*.py, which compare and time: one tokenizer, one thread, requests on standard
// input.
//
//     tokenizer_bench FILE [PATTERN]
//     ordinary LENGTH\n and as many bytes of text   ->   COUNT NANOSECONDS\n and as many int32 ids
//     special LENGTH\n ...                               the same with special tokens recognised
//
// NANOSECONDS are those of encoding alone.
#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "data/tokenizer/tokenizer.h"

namespace {

using Clock = std::chrono::steady_clock;

bool read_request(std::string& kind, std::string& text) {
  char name[32];
  size_t length = 0;
  if (std::scanf("%31s %zu", name, &length) != 2) return false;
  std::getchar();
  kind = name;
  text.resize(length);
  return std::fread(text.data(), 1, length, stdin) == length;
}

void answer(const sextant::data::Tokenizer& tokenizer) {
  std::string kind, text;
  std::vector<int32_t> ids;
  while (read_request(kind, text)) {
    auto special =
        kind == "special" ? sextant::data::SpecialText::kRecognised : sextant::data::SpecialText::kOrdinary;
    ids.clear();
    auto start = Clock::now();
    tokenizer.encode(text, ids, special);
    auto spent = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count();
    std::fputs(fmt::format("{} {}\n", ids.size(), spent).c_str(), stdout);
    std::fwrite(ids.data(), sizeof(int32_t), ids.size(), stdout);
    std::fflush(stdout);
  }
}

}  // namespace

int main(int count, char** arguments) {
  try {
    if (count < 2) throw std::runtime_error("usage: tokenizer_bench FILE [PATTERN]");
    answer(sextant::data::Tokenizer::load(arguments[1], count > 2 ? arguments[2] : ""));
  } catch (const std::exception& error) {
    std::fputs(fmt::format("tokenizer_bench: {}\n", error.what()).c_str(), stderr);
    return 2;
  }
}
