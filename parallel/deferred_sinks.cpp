#include "parallel/deferred_sinks.h"

namespace sextant::parallel {

class DeferredSinks::Front : public GradientSink {
 public:
  Front(DeferredSinks& all, GradientSink& behind) : all_(all), behind_(behind) {}

  void take(const Write& write) override {
    if (!all_.held_for_) return behind_.take(write);
    all_.put_off_[*all_.held_for_].emplace_back([&behind = behind_, write] { behind.take(write); });
  }
  void take_part(const Write& write) override {
    if (!all_.held_for_) return behind_.take_part(write);
    all_.put_off_[*all_.held_for_].emplace_back([&behind = behind_, write] { behind.take_part(write); });
  }

 private:
  DeferredSinks& all_;
  GradientSink& behind_;
};

DeferredSinks::DeferredSinks(const std::vector<GradientSink*>& behind) {
  for (GradientSink* sink : behind) sinks_.push_back(std::make_unique<Front>(*this, *sink));
}

void DeferredSinks::run(Key key) {
  auto found = put_off_.find(key);
  if (found == put_off_.end()) return;
  auto writes = std::move(found->second);
  put_off_.erase(found);
  for (auto& write : writes) {
    write();
    write = nullptr;  // lets its tensors go
  }
}

void DeferredSinks::clear() {
  held_for_.reset();
  put_off_.clear();
}

}  // namespace sextant::parallel
