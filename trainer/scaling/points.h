#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "trainer/scaling/power_law.h"

namespace sextant::trainer {

// Training runs as the points of a power law. FLOPs are 6 x parameters x tokens (forward and backward, no
// attention, no recomputation: Kaplan et al. 2020, arXiv 2001.08361, section 2.1) wherever one of the three
// is made from the other two.
inline constexpr const char* kFlopsFormula = "C = 6 N D";

enum class ScalingForm {
  kChinchilla,  // L(N, D) = E + A / N^alpha + B / D^beta
  kKaplan,      // L(N, D) = [(A / N^alpha)^(1/beta) + (B / D^beta)^(1/beta)]^beta
  kLoss,        // L(C) = a C^b + c
  kCapability,  // -E[log pass rate](C) = alpha C^-k
};

// Of parameters and tokens, not of compute.
bool is_of_size_and_tokens(ScalingForm form);

// The law of a form, and what its fitted parameters are called.
PowerLaw law_of(ScalingForm form);

// Which columns of a CSV file hold what; empty: none does.
struct PointColumns {
  std::string parameters, tokens, flops, loss;
};

struct Points {
  LogPoints logs;
  size_t records = 0;  // of the file
  size_t dropped = 0;  // of the highest losses
};

// Reads the points that `form` is fitted to and leaves out the `drop_highest` highest losses. Throws
// Error(kInput) with one message: a column that is missing or not asked for though the form wants it, a
// number that is none or not above 0 (with its line), fewer points left than the law has parameters and one
// more, or a variable that is the same in all points.
Points read_points(const std::filesystem::path& file, const PointColumns& columns, ScalingForm form,
                   size_t drop_highest);

// The same check for points that come from elsewhere: `where` names them in the message.
void require_enough(const LogPoints& points, const PowerLaw& law, const std::string& where);

// A fitted parameter as people write it.
struct NamedValue {
  std::string name;
  double value = 0;
};

// chinchilla: E, A, B, alpha, beta. kaplan: A, B, alpha, beta, which are N_c^alpha_N, D_c^alpha_D, alpha_N
// and alpha_D of Kaplan et al. 2020 (equation 1.5). loss: a, b (below 0), c. capability: alpha, k.
std::vector<NamedValue> named(ScalingForm form, const Parameters& fitted);

// The names of those that stand at a bound of the fit: the points do not say what they are.
std::vector<std::string> at_bound(ScalingForm form, const Parameters& fitted);

}  // namespace sextant::trainer
