#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace sextant::data {

// Which pieces share a row: row r holds pieces[first[r]] to pieces[first[r + 1] - 1], in rising order; rows
// come in the order of their first pieces.
struct PackedRows {
  std::vector<int64_t> first;   // rows + 1 entries
  std::vector<int64_t> pieces;  // each piece once
};

// Best-fit decreasing (Ding et al. 2024, "Fewer Truncations Improve Language Modeling", arXiv 2404.10830):
// the longest piece first, each into the fullest row that still has room. Lengths are in [1, capacity]. Takes
// O(n log capacity); the same lengths give the same rows everywhere.
PackedRows best_fit(std::span<const int32_t> lengths, int64_t capacity);

}  // namespace sextant::data
