#pragma once

#include <ATen/core/ivalue.h>

#include "parallel/gradient_sink.h"

namespace sextant::trainer {

// A sink, or null, in the form in which autograd's context carries things from forward to backward.
c10::IValue held(parallel::GradientSink* sink);
parallel::GradientSink* sink_in(const c10::IValue& value);

}  // namespace sextant::trainer
