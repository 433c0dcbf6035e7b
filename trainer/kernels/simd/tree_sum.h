#pragma once

#include "trainer/kernels/simd/lanes.h"

namespace sextant::trainer::SEXTANT_SIMD {

// The numbers 0 .. n - 1 as template arguments.
template <int... Lane>
struct LaneList {};
template <int Count, int... Lane>
struct CountLanes : CountLanes<Count - 1, Count - 1, Lane...> {};
template <int... Lane>
struct CountLanes<0, Lane...> {
  using List = LaneList<Lane...>;
};

// Where lane `lane` of a folded pair comes from, when vectors hold groups of `group` lanes, a sum each: the
// first half of the result is folded of the first vector's groups, the second half of the second's.
constexpr int fold_source(int lane, int group, int offset) {
  int half = group / 2, within = lane % (SEXTANT_LANES / 2);
  int vector = lane < SEXTANT_LANES / 2 ? 0 : SEXTANT_LANES;
  return vector + (within / half) * group + within % half + offset * half;
}

template <int Group, int... Lane>
inline Floats fold(Floats a, Floats b, LaneList<Lane...>) {
  return __builtin_shufflevector(a, b, fold_source(Lane, Group, 0)...) +
         __builtin_shufflevector(a, b, fold_source(Lane, Group, 1)...);
}

// Lane i of the result is the sum over the lanes of rows[i], each added in the same tree. rows are kLanes
// vectors, which are overwritten.
template <int Group = SEXTANT_LANES>
inline Floats tree_sums(Floats* rows) {
  if constexpr (Group == 1) {
    return rows[0];
  } else {
    for (int64_t i = 0; i < Group / 2; ++i) {
      rows[i] = fold<Group>(rows[2 * i], rows[2 * i + 1], typename CountLanes<SEXTANT_LANES>::List{});
    }
    return tree_sums<Group / 2>(rows);
  }
}

}  // namespace sextant::trainer::SEXTANT_SIMD
