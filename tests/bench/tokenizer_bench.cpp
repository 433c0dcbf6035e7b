// Encodes for tests/bench/*.py, which compare and time: one tokenizer, one thread, requests on standard
// input.
//
//     tokenizer_bench FILE [PATTERN]
//     ordinary LENGTH\n and as many bytes of text   ->   COUNT NANOSECONDS\n and as many int32 ids
//     special LENGTH\n ...                               the same with special tokens recognised
//     corpus LENGTH\n ...                                texts with \x1e between them, encoded one by one
//
// NANOSECONDS are processor time of encoding alone.
#include <fmt/format.h>

#include <cstdint>
#include <cstdio>
#include <ctime>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/tokenizer.h"

namespace {

// What this process has computed, so that others on the machine do not count.
int64_t nanoseconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return int64_t{1000000000} * now.tv_sec + now.tv_nsec;
}

bool read_request(std::string& kind, std::string& text) {
  char name[32];
  size_t length = 0;
  if (std::scanf("%31s %zu", name, &length) != 2) return false;
  std::getchar();
  kind = name;
  text.resize(length);
  return std::fread(text.data(), 1, length, stdin) == length;
}

// Encodes a request's text and returns the nanoseconds.
int64_t encode(const sextant::data::Tokenizer& tokenizer, const std::string& kind, std::string_view text,
               std::vector<int32_t>& ids) {
  using sextant::data::SpecialText;
  auto special = kind == "special" ? SpecialText::kRecognised : SpecialText::kOrdinary;
  int64_t start = nanoseconds();
  if (kind == "corpus") {
    for (size_t end; (end = text.find('\x1e')) != std::string_view::npos; text.remove_prefix(end + 1)) {
      tokenizer.encode(text.substr(0, end), ids, special);
    }
  }
  tokenizer.encode(text, ids, special);
  return nanoseconds() - start;
}

void answer(const sextant::data::Tokenizer& tokenizer) {
  std::string kind, text;
  while (read_request(kind, text)) {
    std::vector<int32_t> ids;
    ids.reserve(text.size() / 3);
    int64_t spent = encode(tokenizer, kind, text, ids);
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
