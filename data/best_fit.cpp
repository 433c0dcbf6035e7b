#include "data/best_fit.h"

#include <map>

namespace sextant::data {
namespace {

// Pieces by falling length, equal ones in their order: a counting sort.
std::vector<int64_t> by_falling_length(std::span<const int32_t> lengths, int64_t capacity) {
  std::vector<int64_t> place(static_cast<size_t>(capacity) + 2, 0);
  for (int32_t length : lengths) ++place[static_cast<size_t>(capacity - length) + 1];
  for (size_t i = 1; i < place.size(); ++i) place[i] += place[i - 1];
  std::vector<int64_t> order(lengths.size());
  for (size_t piece = 0; piece < lengths.size(); ++piece) {
    order[static_cast<size_t>(place[static_cast<size_t>(capacity - lengths[piece])]++)] =
        static_cast<int64_t>(piece);
  }
  return order;
}

// The row of each piece, rows numbered as they were opened.
std::vector<int64_t> choose_rows(std::span<const int32_t> lengths, int64_t capacity, int64_t& rows) {
  std::vector<int64_t> row_of(lengths.size());
  std::map<int64_t, std::vector<int64_t>> open;  // room left -> rows with it
  rows = 0;
  for (int64_t piece : by_falling_length(lengths, capacity)) {
    int64_t length = lengths[static_cast<size_t>(piece)], row, room;
    if (auto fit = open.lower_bound(length); fit != open.end()) {
      room = fit->first - length;
      row = fit->second.back();
      fit->second.pop_back();
      if (fit->second.empty()) open.erase(fit);
    } else {
      room = capacity - length;
      row = rows++;
    }
    row_of[static_cast<size_t>(piece)] = row;
    if (room > 0) open[room].push_back(row);
  }
  return row_of;
}

}  // namespace

PackedRows best_fit(std::span<const int32_t> lengths, int64_t capacity) {
  int64_t rows = 0;
  std::vector<int64_t> row_of = choose_rows(lengths, capacity, rows);
  // Rows are numbered anew by their first pieces, which puts them in the corpus's order.
  std::vector<int64_t> number(static_cast<size_t>(rows), -1);
  PackedRows packed;
  packed.first.assign(static_cast<size_t>(rows) + 1, 0);
  int64_t seen = 0;
  for (int64_t& row : row_of) {
    int64_t& renamed = number[static_cast<size_t>(row)];
    if (renamed < 0) renamed = seen++;
    row = renamed;
    ++packed.first[static_cast<size_t>(row) + 1];
  }
  for (size_t r = 1; r < packed.first.size(); ++r) packed.first[r] += packed.first[r - 1];
  std::vector<int64_t> next(packed.first.begin(), packed.first.end() - 1);
  packed.pieces.resize(lengths.size());
  for (size_t piece = 0; piece < lengths.size(); ++piece) {
    packed.pieces[static_cast<size_t>(next[static_cast<size_t>(row_of[piece])]++)] =
        static_cast<int64_t>(piece);
  }
  return packed;
}

}  // namespace sextant::data
