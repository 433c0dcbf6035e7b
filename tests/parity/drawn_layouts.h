#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

// Layouts to hold against one rank, drawn so that every pair of choices that can stand together does so in
// one of them.
namespace sextant::parity {

struct DrawnLayout {
  std::map<std::string, std::string> choices;  // "parallel.tensor" -> "2", ..., "model" -> "gpt2"
  int64_t ranks = 1;

  // "tensor2_pipeline2_...": a test's name.
  std::string name() const;
  // What the command line would say.
  std::vector<std::string> overrides() const;
};

// At least `least` layouts of at most 8 ranks; the same ones every time.
std::vector<DrawnLayout> draw_layouts(size_t least);

// How many pairs of choices that can stand together these layouts miss: 0.
size_t pairs_missed(size_t least);

}  // namespace sextant::parity
