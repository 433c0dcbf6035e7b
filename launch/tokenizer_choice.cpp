#include "launch/tokenizer_choice.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdint>
#include <cstdio>
#include <vector>

#include "data/tokenizer/split_pattern.h"

namespace sextant::launch {

CLI::Option* TokenizerChoice::add_to(CLI::App& command, const std::string& what) {
  auto* named = command.add_option("--tokenizer", file, what);
  command.add_option("--pattern", pattern,
                     fmt::format("How text is split, for a .tiktoken file without its published name: {}",
                                 fmt::join(data::SplitPattern::names(), ", ")));
  return named;
}

void warn_of_missing_bytes(const data::Tokenizer& tokenizer) {
  std::vector<uint8_t> missing = tokenizer.missing_bytes();
  if (missing.empty()) return;
  fmt::print(
      stderr,
      "sextant: {} of the 256 bytes have no token in this vocabulary ({:#04x}); where they stand in the "
      "text they are left out\n",
      missing.size(), fmt::join(missing, " "));
}

}  // namespace sextant::launch
