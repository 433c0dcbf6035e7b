#pragma once

#include <deque>
#include <optional>
#include <string>

namespace sextant::rlhf {

// Notices rewards that are all about the answers' length, which a policy then learns instead of what was
// meant.
class LengthWatch {
 public:
  // After each step, with the correlation of scores with lengths and the mean length in tokens. A line to
  // tell where it has been strong for some steps; once until it has been weak again.
  std::optional<std::string> observe(double correlation, double tokens);

 private:
  std::deque<double> recent_;  // correlations, the newest last
  bool told_ = false;
};

}  // namespace sextant::rlhf
