#pragma once

#include <string>
#include <vector>

#include "trainer/scaling/fitted_law.h"

namespace sextant::trainer {

// From here on a point is said to lie off its law, and runs of the same size to differ: a ladder whose rungs
// scatter so far can not foretell a loss within a percent.
inline constexpr double kFarOff = 0.02;
inline constexpr double kFarApart = 0.01;
// A prediction whose interval is wider than this share of it is no answer to within a percent.
inline constexpr double kWide = 0.04;

// What speaks against going on along a law, a sentence each, for people; empty where nothing does. But for
// the last one an interval from a bootstrap says none of this: it takes the law for right and the points for
// one kind of run.
//  - points further than kFarOff off the law, the furthest first: small models learn some things all at once
//    (copying from the context is one), and runs on both sides of that follow no law together;
//  - runs with the same variables whose values differ by more than kFarApart, as other seeds do;
//  - a constant that came out as nothing: the points do not show where the loss levels off;
//  - an interval of the prediction, where one was asked for, that is wider than kWide.
// For losses: pass rates scatter more than that by nature.
std::vector<std::string> fit_doubts(ScalingForm form, const LogPoints& points, const FittedLaw& fitted);

}  // namespace sextant::trainer
