#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace sextant {

// Counter-based random numbers: a draw is a pure function of (run seed, purpose, step, index), so it never
// depends on which rank makes it, on how many draws came before, or on the layout. The generator is
// Philox4x32-10 (Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3") from Random123.
class RandomKey {
 public:
  // `purpose` names what the numbers are for, such as "initialise blocks.0.attention.query.weight".
  RandomKey(uint64_t run_seed, std::string_view purpose);

  // Four independent uniform 32-bit words.
  std::array<uint32_t, 4> words(uint64_t step, uint64_t index) const;
  // Uniform over all 64-bit values.
  uint64_t bits(uint64_t step, uint64_t index) const;
  // Uniform in [0, 1), 53 random bits.
  double uniform(uint64_t step, uint64_t index) const;
  // Standard normal (Box-Muller).
  double normal(uint64_t step, uint64_t index) const;
  // Uniform in [0, bound); bias below 2^-64. bound > 0.
  uint64_t below(uint64_t bound, uint64_t step, uint64_t index) const;

 private:
  uint64_t key_;
};

// FNV-1a, 64 bits: stable across machines and versions, for keys and fingerprints that are not secrets.
uint64_t stable_hash(std::string_view text, uint64_t start = 0xcbf29ce484222325ULL);

}  // namespace sextant
