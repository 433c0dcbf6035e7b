#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "trainer/run.pb.h"

namespace sextant::trainer {

// How large activations are, over widths and the first updates: the coordinate check of muP (Yang et al.
// 2022, appendix D.1). With muP sizes and changes stay where they are as the width grows; in the usual
// parametrisation logits and residual stream change more the wider the model.

// Mean absolute values of one place in one model.
struct Coordinate {
  int64_t width = 0;
  int64_t updates = 0;  // done so far
  std::string place;    // "blocks.0": the residual stream after that block; "logits"
  double size = 0;      // of the numbers
  double change = 0;    // of their difference from those before the first update; 0 at updates 0
};

struct CoordinateCheck {
  std::vector<int64_t> widths;
  int64_t updates = 4;
  int64_t rows = 8;  // of one batch of random tokens, on which every update and measurement is made
};

// The model of `run` at another width: heads, key heads and hidden channels in proportion, heads as wide as
// before. Throws Error(kInput), naming the key, where they do not come out whole.
ModelSettings at_width(const ModelSettings& model, int64_t width);

// Trains `run`'s model at each width for a few updates, with a constant learning rate, on this rank alone.
// The settings must be complete (fill_defaults, with a vocabulary). By width, then updates, then place.
std::vector<Coordinate> coordinates(const Run& run, const CoordinateCheck& check);

// The power of the width that a place's change grows with after so many updates: the slope of a line through
// log change over log width, by least squares. 0: as muP wants it.
double growth(const std::vector<Coordinate>& coordinates, const std::string& place, int64_t updates);

// The places, in forward's order.
std::vector<std::string> places_of(const std::vector<Coordinate>& coordinates);

}  // namespace sextant::trainer
