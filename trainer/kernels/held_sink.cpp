#include "trainer/kernels/held_sink.h"

namespace sextant::trainer {
namespace {

struct SinkHolder : torch::CustomClassHolder {
  explicit SinkHolder(parallel::GradientSink* to_hold) : sink(to_hold) {}
  parallel::GradientSink* sink;
};

}  // namespace

c10::IValue held(parallel::GradientSink* sink) {
  return c10::IValue::make_capsule(c10::make_intrusive<SinkHolder>(sink));
}

parallel::GradientSink* sink_in(const c10::IValue& value) {
  return c10::static_intrusive_pointer_cast<SinkHolder>(value.toCapsule())->sink;
}

}  // namespace sextant::trainer
