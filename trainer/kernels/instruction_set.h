#pragma once

#include <vector>

namespace sextant::trainer {

// What the kernels in this folder are compiled for; chosen when the program runs.
// kAmx is AVX-512 with bf16 and the tile unit, for which matrix products have kernels of their own.
enum class InstructionSet { kPlain, kAvx2, kAvx512, kAmx };

// The widest that this processor has, or the one that the environment variable SEXTANT_SIMD names (plain,
// avx2, avx512, amx). Found once. Throws Error where the variable asks for what the processor or the build
// has not.
InstructionSet instruction_set();

// From plain to the widest; for tests and benchmarks that try each.
std::vector<InstructionSet> supported_instruction_sets();

const char* name_of(InstructionSet set);

// Which of three equal tables of kernels belongs to an instruction set; kAmx has that of AVX-512.
template <class Kernels>
Kernels pick(InstructionSet set, const Kernels& plain, const Kernels& avx2, const Kernels& avx512) {
  if (set == InstructionSet::kPlain) return plain;
  return set == InstructionSet::kAvx2 ? avx2 : avx512;
}

}  // namespace sextant::trainer
