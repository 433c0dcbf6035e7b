#include "parallel/gradient_bucket.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>

#include "parallel/base/error.h"

namespace sextant::parallel {
namespace {

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

GradientBucket::GradientBucket(const BucketLayout& layout, size_t bucket, Group& group, const SumRules& rules)
    : layout_(layout),
      bucket_(bucket),
      group_(group),
      rules_(rules),
      whole_(group.size() == 1 || rules.memory == GradientMemory::kWhole),
      kept_(whole_ || rules.memory == GradientMemory::kOwnedAfterwards),
      filled_(layout.tensors_of(bucket).size()) {
  auto gradient = at::TensorOptions().dtype(layout.type(bucket)).device(layout.device(bucket));
  type_ = reproducible() ? gradient.dtype(at::kLong) : gradient;
  int64_t elements = layout.elements(bucket), share = whole_ ? elements : elements / layout.ranks(bucket);
  // What lies between tensors is zero and stays so.
  if (kept_) home_ = at::zeros({elements}, type_);
  sum_ = whole_ ? home_ : at::zeros({share}, type_);
  gradient_ = reproducible() ? at::zeros({share}, gradient) : sum_;
}

void GradientBucket::begin_step() {
  buffer_.reset();
  std::fill(filled_.begin(), filled_.end(), 0);
  started_ = 0;
  largest_ = 0;
}

void GradientBucket::open_buffer() {
  if (!buffer_.defined()) buffer_ = kept_ && started_ == 0 ? home_ : fresh_buffer();
}

// The gaps between tensors are zeroed: sums of the bucket go over them.
at::Tensor GradientBucket::fresh_buffer() const {
  at::Tensor buffer = at::empty({layout_.elements(bucket_)}, type_);
  int64_t end = 0;
  for (size_t tensor : layout_.tensors_of(bucket_)) {
    Range range = layout_.range_of(tensor);
    buffer.narrow(0, end, range.begin - end).zero_();
    end = range.end;
  }
  buffer.narrow(0, end, buffer.numel() - end).zero_();
  return buffer;
}

void GradientBucket::take(size_t leaf, const at::Tensor& scratch,
                          const std::function<void(const at::Tensor&, Onto)>& write) {
  open_buffer();
  const auto& tensors = layout_.tensors_of(bucket_);
  auto place = static_cast<size_t>(std::find(tensors.begin(), tensors.end(), leaf) - tensors.begin());
  Onto onto = filled_[place] ? Onto::kAdd : Onto::kWrite;
  filled_[place] = 1;
  at::Tensor into = layout_.view(buffer_, leaf);
  if (!reproducible()) return write(into, onto);
  auto bytes = into.numel() * static_cast<int64_t>(gradient_.element_size());
  at::Tensor alone = scratch.narrow(0, 0, bytes).view(gradient_.scalar_type()).view(into.sizes());
  write(alone, Onto::kWrite);
  double begin = seconds();
  largest_ = std::max(largest_, rules_.loops.add(into, alone, rules_.point, onto));
  integer_seconds_ += seconds() - begin;
}

void GradientBucket::zero_the_rest() {
  open_buffer();
  const auto& tensors = layout_.tensors_of(bucket_);
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (!filled_[i]) layout_.view(buffer_, tensors[i]).zero_();
  }
}

GradientBucket::Flight GradientBucket::start() {
  zero_the_rest();
  Flight flight;
  flight.input = buffer_;
  bool first = started_ == 0;
  if (group_.size() == 1) {
    expect(first, "a rank by itself sums once");
  } else if (whole_) {
    flight.work = group_.all_reduce_async(flight.input, Reduce::kSum);
    if (!first) flight.addend = flight.input;
  } else {
    at::Tensor result = first ? sum_ : at::empty_like(sum_);
    flight.work = group_.reduce_scatter_async(result, flight.input.view({group_.size(), -1}));
    if (!first) flight.addend = result;
  }
  ++started_;
  buffer_.reset();
  std::fill(filled_.begin(), filled_.end(), 0);
  return flight;
}

void GradientBucket::complete(Flight& flight) {
  if (flight.work) flight.work->wait();
  if (flight.addend.defined()) sum_.add_(flight.addend);
}

void GradientBucket::finish_step() {
  if (!reproducible()) return;
  double begin = seconds();
  largest_sum_ = rules_.loops.convert(gradient_, sum_, rules_.point);
  integer_seconds_ += seconds() - begin;
}

}  // namespace sextant::parallel
