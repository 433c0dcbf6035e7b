#pragma once

#include <string>
#include <vector>

#include "trainer/scaling/coordinates.h"

namespace sextant::trainer {

// width,updates,place,size,change: a line each.
std::string coordinates_csv(const std::vector<Coordinate>& coordinates);

// A panel for each place: change over width, both logarithmic, a line for each number of updates. Flat lines
// are what muP wants. The title is escaped.
std::string coordinates_svg(const std::vector<Coordinate>& coordinates, const std::string& title);

// The same as a table for a terminal: change by place and width after the last update, and how it grows.
std::string coordinates_table(const std::vector<Coordinate>& coordinates);

}  // namespace sextant::trainer
