#include "parallel/gradient_reducer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <chrono>
#include <deque>

#include "parallel/arrival_schedule.h"
#include "parallel/base/error.h"

namespace sextant::parallel {
namespace {

// Sums under way whose buffers (ours, and MPI's own of the same size) exist besides those being filled, where
// gradients are shared out; more would be memory, not speed.
constexpr size_t kFlights = 2;

// [bytes of the largest leaf], where one arrival of a reproducible sum is written.
at::Tensor scratch_for(const BucketLayout& layout, const std::vector<at::Tensor>& values) {
  int64_t bytes = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    auto each = static_cast<int64_t>(c10::elementSize(layout.type(layout.bucket_of(i))));
    bytes = std::max(bytes, values[i].numel() * each);
  }
  if (values.empty()) return {};
  return at::empty({bytes}, values[0].options().dtype(at::kByte).requires_grad(false));
}

ArrivalSchedule schedule_of(const BucketLayout& layout, const Holders& holders, const SumRules& rules) {
  std::vector<ArrivalSchedule::Bucket> buckets;
  for (size_t b = 0; b < layout.count(); ++b) {
    size_t set = layout.set_of(b);
    bool shared = rules.memory == GradientMemory::kOwned && holders.shard_group(set).size() > 1;
    auto sums = shared ? ArrivalSchedule::Sums::kEachMicrobatch : ArrivalSchedule::Sums::kOnce;
    if (holders.group(set).size() == 1 || !holders.alike(set)) sums = ArrivalSchedule::Sums::kOnceAtTheEnd;
    buckets.push_back({layout.tensors_of(b), set, sums});
  }
  std::vector<int64_t> arrivals = rules.arrivals;
  arrivals.resize(layout.tensors(), 1);
  return {std::move(buckets), std::move(arrivals)};
}

}  // namespace

struct GradientReducer::Parts {
  Parts(std::vector<at::Tensor> leaves, const BucketLayout& over, const Holders& held, SumRules given);

  void begin_step(int64_t microbatches);
  void arrive(size_t leaf);
  enum class Arrival { kPart, kWhole };
  void take(size_t leaf, const std::function<void(const at::Tensor&, Onto)>& write,
            Arrival arrival = Arrival::kWhole);
  double finish();

  void start(size_t bucket);
  void land_first();
  void land_done();
  void sum_late();
  void join_parts();

  std::vector<at::Tensor> values;
  const BucketLayout& layout;
  const Holders& holders;
  SumRules rules;  // that the buckets refer to
  std::vector<std::unique_ptr<GradientBucket>> buckets;
  std::vector<std::unique_ptr<GradientSink>> sinks;
  ArrivalSchedule schedule;

  struct Flying {
    size_t bucket;
    GradientBucket::Flight flight;
  };
  std::deque<Flying> flights;  // in the order of their starts
  at::Tensor scratch;          // of reproducible sums
  int64_t started = 0;
  bool open = false;  // between begin_step and finish
};

GradientReducer::Parts::Parts(std::vector<at::Tensor> leaves, const BucketLayout& over, const Holders& held,
                              SumRules given)
    : values(std::move(leaves)),
      layout(over),
      holders(held),
      rules(std::move(given)),
      schedule(schedule_of(over, held, rules)) {
  expect(values.size() == layout.tensors(), "a place for each leaf");
  for (const at::Tensor& value : values) {
    expect(value.defined() && value.is_leaf() && value.requires_grad(),
           "a trained weight is a leaf that wants its gradient");
  }
  for (size_t b = 0; b < layout.count(); ++b) {
    buckets.push_back(std::make_unique<GradientBucket>(layout, b, holders, rules));
  }
  if (rules.reduction == Reduction::kReproducible) scratch = scratch_for(layout, values);
}

void GradientReducer::Parts::begin_step(int64_t microbatches) {
  expect(!open && microbatches > 0, "finish() ends the step before");
  for (auto& bucket : buckets) bucket->begin_step();
  schedule.begin_step(microbatches);
  started = 0;
  open = true;
}

void GradientReducer::Parts::arrive(size_t leaf) {
  at::Tensor gradient = values[leaf].grad();
  if (!gradient.defined()) return;  // its sink has had it
  values[leaf].mutable_grad().reset();
  take(leaf, [&](const at::Tensor& into, Onto onto) {
    onto == Onto::kAdd ? into.add_(gradient) : into.copy_(gradient);
  });
}

void GradientReducer::Parts::take(size_t leaf, const std::function<void(const at::Tensor&, Onto)>& write,
                                  Arrival arrival) {
  at::NoGradGuard no_grad;
  expect(open, "begin_step() comes before a step's backwards");
  size_t bucket = layout.bucket_of(leaf);
  buckets[bucket]->take(leaf, scratch, write);
  if (arrival == Arrival::kPart) return;
  schedule.arrived(leaf);
  while (auto due = schedule.next()) start(*due);
  land_done();
}

void GradientReducer::Parts::start(size_t bucket) {
  while (rules.memory != GradientMemory::kWhole && flights.size() >= kFlights) land_first();
  ++started;
  GradientBucket::Flight flight = buckets[bucket]->start();
  if (flight.work) flights.push_back({bucket, std::move(flight)});
}

void GradientReducer::Parts::land_first() {
  buckets[flights.front().bucket]->complete(flights.front().flight);
  flights.pop_front();
}

// Moves all on, and lands those that are there, as far as the order of their starts allows.
void GradientReducer::Parts::land_done() {
  for (Flying& flying : flights) flying.flight.work->progress();
  while (!flights.empty() && flights.front().flight.work->progress()) land_first();
}

double GradientReducer::Parts::finish() {
  expect(open, "begin_step() comes before finish()");
  at::NoGradGuard no_grad;
  auto begin = std::chrono::steady_clock::now();
  while (auto due = schedule.rest()) start(*due);
  while (!flights.empty()) land_first();
  sum_late();
  join_parts();
  for (auto& bucket : buckets) bucket->finish_step();
  schedule.end_step();
  open = false;
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// A gradient may have come late on some ranks only: they agree first on the buckets that need one more sum.
// Sets in their common order, since each is waited for.
void GradientReducer::Parts::sum_late() {
  for (size_t set = 0; set < holders.sets(); ++set) {
    Group& group = holders.group(set);
    if (group.size() == 1 || !holders.alike(set)) continue;  // all of it was summed in finish()
    std::vector<size_t> of_set;
    std::vector<double> any_late;
    for (size_t b = 0; b < buckets.size(); ++b) {
      if (layout.set_of(b) != set) continue;
      of_set.push_back(b);
      any_late.push_back(buckets[b]->pending() ? 1 : 0);
    }
    any_late = reduce_numbers(group, std::move(any_late), Reduce::kMax);
    for (size_t i = 0; i < of_set.size(); ++i) {
      if (any_late[i] == 0) continue;
      start(of_set[i]);
      while (!flights.empty()) land_first();
    }
  }
}

// Sets in their common order.
void GradientReducer::Parts::join_parts() {
  std::vector<std::unique_ptr<Work>> under_way;
  for (size_t set = 0; set < holders.sets(); ++set) {
    for (size_t b = 0; b < buckets.size(); ++b) {
      if (layout.set_of(b) == set) under_way.push_back(buckets[b]->join_parts());
    }
  }
  for (auto& work : under_way) {
    if (work) work->wait();
  }
}

// Called by autograd when a leaf's grad field has been filled.
class GradientReducer::ArrivalHook : public torch::autograd::PostAccumulateGradHook {
 public:
  ArrivalHook(Parts& parts, size_t leaf) : parts_(parts), leaf_(leaf) {}
  void operator()(const torch::autograd::Variable&) override { parts_.arrive(leaf_); }

 private:
  Parts& parts_;
  size_t leaf_;
};

// Called by a backward that writes a gradient itself.
class GradientReducer::LeafSink : public GradientSink {
 public:
  LeafSink(Parts& parts, size_t leaf) : parts_(parts), leaf_(leaf) {}
  void take(const std::function<void(const at::Tensor&, Onto)>& write) override { parts_.take(leaf_, write); }
  void take_part(const std::function<void(const at::Tensor&, Onto)>& write) override {
    parts_.take(leaf_, write, Parts::Arrival::kPart);
  }

 private:
  Parts& parts_;
  size_t leaf_;
};

GradientReducer::GradientReducer(std::vector<at::Tensor> values, const BucketLayout& layout,
                                 const Holders& holders, SumRules rules)
    : parts_(std::make_unique<Parts>(std::move(values), layout, holders, std::move(rules))) {
  for (size_t i = 0; i < parts_->values.size(); ++i) {
    parts_->sinks.push_back(std::make_unique<LeafSink>(*parts_, i));
    at::Tensor& value = parts_->values[i];
    value.mutable_grad().reset();
    torch::autograd::impl::set_post_acc_grad_hooks(value, std::make_unique<ArrivalHook>(*parts_, i));
  }
}

GradientReducer::GradientReducer(GradientReducer&&) noexcept = default;

GradientReducer::~GradientReducer() {
  if (!parts_) return;
  for (at::Tensor& value : parts_->values) torch::autograd::impl::set_post_acc_grad_hooks(value, nullptr);
}

void GradientReducer::begin_step(int64_t microbatches) {
  parts_->begin_step(microbatches);
}
double GradientReducer::finish() {
  return parts_->finish();
}
const at::Tensor& GradientReducer::gradient(size_t bucket) const {
  return parts_->buckets[bucket]->gradient();
}
bool GradientReducer::is_whole(size_t bucket) const {
  return parts_->buckets[bucket]->is_whole();
}
Range GradientReducer::range(size_t bucket) const {
  if (is_whole(bucket)) return {0, parts_->layout.elements(bucket)};
  return parts_->layout.owned(bucket,
                              parts_->holders.shard_group(parts_->layout.set_of(bucket)).rank().value());
}
GradientSink& GradientReducer::sink(size_t leaf) const {
  return *parts_->sinks[leaf];
}
void GradientReducer::set_point(FixedPoint point) {
  expect(!parts_->open, "a step's numbers have one quantum");
  parts_->rules.point = point;
}
double GradientReducer::largest() const {
  double largest = 0;
  for (const auto& bucket : parts_->buckets) largest = std::max(largest, bucket->largest());
  return largest;
}
double GradientReducer::largest_sum() const {
  double largest = 0;
  for (const auto& bucket : parts_->buckets) largest = std::max(largest, bucket->largest_sum());
  return largest;
}
double GradientReducer::integer_seconds() const {
  double sum = 0;
  for (const auto& bucket : parts_->buckets) sum += bucket->integer_seconds();
  return sum;
}
int64_t GradientReducer::started() const {
  return parts_->started;
}

}  // namespace sextant::parallel
