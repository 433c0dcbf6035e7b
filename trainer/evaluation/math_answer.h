#pragma once

#include <optional>
#include <string>

namespace sextant::trainer {

// What the last \boxed{...} or \fbox{...} of a text holds, braces balanced; of "\boxed 5" what follows up
// to the next dollar sign. None without one, or where its braces do not close.
std::optional<std::string> boxed_answer(const std::string& text);

// An answer in the normal form of MATH's own grader (Hendrycks et al. 2021): without units, dollar and
// percent signs, spacing and \left \right; fractions and roots with braces, a/b of whole numbers as
// \frac{a}{b}, 0.5 as \frac{1}{2}, no zero missing in front of a decimal point, no "x=" in front.
std::string normal_math(std::string answer);

// Whether a completion's boxed answer equals the target's (its own box, else all of it) in normal form.
bool math_match(const std::string& completion, const std::string& target);

}  // namespace sextant::trainer
