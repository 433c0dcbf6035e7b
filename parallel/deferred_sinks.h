#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "parallel/gradient_sink.h"

namespace sextant::parallel {

// Sinks that can put off what they are given: a backward between hold() and pass() makes input gradients
// alone, and its weight gradients when run() is called (zero-bubble schedules). At other times they hand on
// at once.
//
// What is put off keeps the tensors that its closure captured. Gradients that reach a weight through autograd
// instead (norms) are not held back.
class DeferredSinks {
 public:
  // What is put off together: a chunk's microbatch.
  using Key = std::pair<int64_t, int64_t>;

  // One sink in front of each of these, which must outlive this.
  explicit DeferredSinks(const std::vector<GradientSink*>& behind);

  GradientSink& sink(size_t index) const { return *sinks_[index]; }

  // From here on everything is put off under this key.
  void hold(Key key) { held_for_ = key; }
  void pass() { held_for_.reset(); }
  // Does what was put off under the key, in the order in which it came.
  void run(Key key);
  // Forgets everything that was put off: after a pass that an exception has ended.
  void clear();

 private:
  using Write = std::function<void(const at::Tensor& into, Onto onto)>;
  class Front;

  std::vector<std::unique_ptr<GradientSink>> sinks_;
  std::optional<Key> held_for_;
  std::map<Key, std::vector<std::function<void()>>> put_off_;
};

}  // namespace sextant::parallel
