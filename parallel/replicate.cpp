#include "parallel/replicate.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <chrono>

#include "parallel/base/error.h"

namespace sextant::parallel {

struct GradientReducer::Parts {
  Parts(std::vector<TrainedLeaf> given, int64_t bucket_bytes, Group& replicas);

  void begin(Microbatch which);
  void arrive(size_t leaf);
  void take(size_t leaf, const std::function<void(const at::Tensor&, Onto)>& write);
  double finish();

  void close_microbatch();
  void start_ready();
  void start(size_t bucket);
  void sum_late();
  bool alone() const { return group->size() == 1; }

  std::vector<TrainedLeaf> leaves;
  GradientBuckets buckets;
  std::unique_ptr<Group> group;

  // By leaf.
  std::vector<int64_t> arrivals;  // in this microbatch
  std::vector<int64_t> usual;     // the most seen in one microbatch; 0: not known yet
  std::vector<char> filled;       // has a gradient in this step

  std::vector<std::unique_ptr<GradientSink>> sinks;

  // By bucket.
  std::vector<int64_t> missing;             // leaves still to come in the last microbatch
  std::vector<at::Tensor> late;             // what came after the start, else undefined
  std::vector<std::unique_ptr<Work>> sums;  // under way

  size_t started = 0;  // buckets [0, started) have been given to the group
  bool open = false;   // between the first begin and finish
  bool last = false;   // the last microbatch has begun
};

GradientReducer::Parts::Parts(std::vector<TrainedLeaf> given, int64_t bucket_bytes, Group& replicas)
    : leaves(std::move(given)),
      buckets(leaves, bucket_bytes),
      group(replicas.split(0, replicas.rank().value(), replicas.name() + " gradients")),
      arrivals(leaves.size()),
      usual(leaves.size()),
      filled(leaves.size()),
      missing(buckets.count()),
      late(buckets.count()),
      sums(buckets.count()) {
  double elements = 0;
  for (size_t b = 0; b < buckets.count(); ++b) elements += static_cast<double>(buckets.flat(b).numel());
  std::vector<double> own = {static_cast<double>(leaves.size()), static_cast<double>(buckets.count()),
                             elements};
  expect(reduce_numbers(*group, own, Reduce::kMax) == reduce_numbers(*group, own, Reduce::kMin),
         "replicas train the same weights in the same buckets");
}

void GradientReducer::Parts::begin(Microbatch which) {
  expect(!last, "finish() follows the last microbatch");
  close_microbatch();
  if (!open) std::fill(filled.begin(), filled.end(), 0);
  open = true;
  last = which == Microbatch::kLast;
  if (!last) return;
  for (size_t b = 0; b < buckets.count(); ++b) missing[b] = static_cast<int64_t>(buckets.leaves_of(b).size());
}

// What has been seen in one microbatch is what the next ones are expected to bring.
void GradientReducer::Parts::close_microbatch() {
  for (size_t i = 0; i < leaves.size(); ++i) usual[i] = std::max(usual[i], arrivals[i]);
  std::fill(arrivals.begin(), arrivals.end(), 0);
}

void GradientReducer::Parts::arrive(size_t leaf) {
  at::Tensor gradient = leaves[leaf].value.grad();
  if (!gradient.defined()) return;  // its sink has had it
  leaves[leaf].value.mutable_grad().reset();
  take(leaf, [&](const at::Tensor& into, Onto onto) {
    onto == Onto::kAdd ? into.add_(gradient) : into.copy_(gradient);
  });
}

void GradientReducer::Parts::take(size_t leaf, const std::function<void(const at::Tensor&, Onto)>& write) {
  at::NoGradGuard no_grad;
  expect(open, "begin() comes before each microbatch");
  size_t bucket = buckets.bucket_of(leaf);
  if (bucket < started) {
    if (!late[bucket].defined()) late[bucket] = at::zeros_like(buckets.flat(bucket));
    write(buckets.place_in(late[bucket], leaf), Onto::kAdd);
  } else {
    write(buckets.gradient(leaf), filled[leaf] ? Onto::kAdd : Onto::kWrite);
    filled[leaf] = 1;
  }

  ++arrivals[leaf];
  if (!last || alone()) return;
  if (arrivals[leaf] == usual[leaf] && --missing[bucket] == 0) start_ready();
  for (size_t b = 0; b < started; ++b) sums[b]->progress();
}

// In order, so that all ranks start the same sums in the same order.
void GradientReducer::Parts::start_ready() {
  while (started < buckets.count() && missing[started] == 0) start(started++);
}

void GradientReducer::Parts::start(size_t bucket) {
  for (size_t leaf : buckets.leaves_of(bucket)) {
    if (!filled[leaf]) buckets.gradient(leaf).zero_();
  }
  if (!alone()) sums[bucket] = group->all_reduce_async(buckets.flat(bucket), Reduce::kSum);
}

double GradientReducer::Parts::finish() {
  expect(last, "the last microbatch is announced before finish()");
  at::NoGradGuard no_grad;
  auto begin_time = std::chrono::steady_clock::now();
  while (started < buckets.count()) start(started++);
  for (auto& sum : sums) {
    if (sum) sum->wait();
    sum.reset();
  }
  if (!alone()) sum_late();
  close_microbatch();
  started = 0;
  open = last = false;
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_time).count();
}

// A gradient may have come late on some ranks only: they agree first on the buckets that need a second sum.
void GradientReducer::Parts::sum_late() {
  std::vector<double> any_late;
  for (const at::Tensor& tensor : late) any_late.push_back(tensor.defined() ? 1 : 0);
  any_late = reduce_numbers(*group, std::move(any_late), Reduce::kMax);
  for (size_t b = 0; b < buckets.count(); ++b) {
    if (any_late[b] == 0) continue;
    at::Tensor rest = late[b].defined() ? late[b] : at::zeros_like(buckets.flat(b));
    group->all_reduce(rest);
    buckets.flat(b).add_(rest);
    late[b].reset();
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

 private:
  Parts& parts_;
  size_t leaf_;
};

GradientReducer::GradientReducer(std::vector<TrainedLeaf> leaves, int64_t bucket_bytes, Group& replicas)
    : parts_(std::make_unique<Parts>(std::move(leaves), bucket_bytes, replicas)) {
  for (size_t i = 0; i < parts_->leaves.size(); ++i) {
    parts_->sinks.push_back(std::make_unique<LeafSink>(*parts_, i));
    at::Tensor& value = parts_->leaves[i].value;
    value.mutable_grad().reset();
    torch::autograd::impl::set_post_acc_grad_hooks(value, std::make_unique<ArrivalHook>(*parts_, i));
  }
}

GradientReducer::GradientReducer(GradientReducer&&) noexcept = default;

GradientReducer::~GradientReducer() {
  if (!parts_) return;
  for (TrainedLeaf& leaf : parts_->leaves)
    torch::autograd::impl::set_post_acc_grad_hooks(leaf.value, nullptr);
}

void GradientReducer::begin(Microbatch which) {
  parts_->begin(which);
}
double GradientReducer::finish() {
  return parts_->finish();
}
const at::Tensor& GradientReducer::gradient(size_t leaf) const {
  return parts_->buckets.gradient(leaf);
}
GradientSink& GradientReducer::sink(size_t leaf) const {
  return *parts_->sinks[leaf];
}
const GradientBuckets& GradientReducer::buckets() const {
  return parts_->buckets;
}
size_t GradientReducer::started() const {
  return parts_->started;
}

}  // namespace sextant::parallel
