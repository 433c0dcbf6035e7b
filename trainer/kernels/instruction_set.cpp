#include "trainer/kernels/instruction_set.h"

#include <ATen/cpu/Utils.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <initializer_list>
#include <string>

#include "parallel/base/error.h"

namespace sextant::trainer {
namespace {

// The features that CMake compiles each set for (cmake/rooms.cmake). libtorch asks the operating system too.
std::vector<InstructionSet> detect() {
  auto capabilities = at::cpu::get_cpu_capabilities();
  auto has = [&](std::initializer_list<const char*> features) {
    return std::all_of(features.begin(), features.end(), [&](const char* feature) {
      auto found = capabilities.find(feature);
      return found != capabilities.end() && found->second.isBool() && found->second.toBool();
    });
  };
  std::vector<InstructionSet> sets{InstructionSet::kPlain};
  if (has({"avx2", "fma3", "f16c"})) {
    sets.push_back(InstructionSet::kAvx2);
  }
  if (has({"avx2", "fma3", "f16c", "avx512_f", "avx512_bw", "avx512_dq", "avx512_vl"})) {
    sets.push_back(InstructionSet::kAvx512);
    // The operating system lends the tiles' registers to a process that asks for them.
    bool tiles = has({"avx512_bf16", "amx_tile", "amx_bf16"}) && at::cpu::init_amx();
    if (tiles) sets.push_back(InstructionSet::kAmx);
  }
  return sets;
}

InstructionSet choose() {
  std::vector<InstructionSet> sets = supported_instruction_sets();
  const char* wanted = std::getenv("SEXTANT_SIMD");
  if (wanted == nullptr || *wanted == '\0') return sets.back();
  std::string names;
  for (InstructionSet set : sets) {
    if (std::string(wanted) == name_of(set)) return set;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", name_of(set));
  }
  fail_environment(fmt::format(
      "the environment variable SEXTANT_SIMD is '{}' but this processor has {}; name one of them or unset it",
      wanted, names));
}

}  // namespace

std::vector<InstructionSet> supported_instruction_sets() {
  static const std::vector<InstructionSet> kSets = detect();
  return kSets;
}

InstructionSet instruction_set() {
  static const InstructionSet kChosen = choose();
  return kChosen;
}

const char* name_of(InstructionSet set) {
  if (set == InstructionSet::kPlain) return "plain";
  if (set == InstructionSet::kAvx2) return "avx2";
  return set == InstructionSet::kAvx512 ? "avx512" : "amx";
}

}  // namespace sextant::trainer
