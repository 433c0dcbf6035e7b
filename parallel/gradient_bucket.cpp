#include "parallel/gradient_bucket.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>

#include "parallel/base/error.h"
#include "parallel/tensor_memory.h"

namespace sextant::parallel {
namespace {

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

GradientBucket::GradientBucket(const BucketLayout& layout, size_t bucket, const Holders& holders,
                               const SumRules& rules)
    : layout_(layout),
      bucket_(bucket),
      group_(holders.group(layout.set_of(bucket))),
      shard_(holders.shard_group(layout.set_of(bucket))),
      replica_(holders.replica_group(layout.set_of(bucket))),
      rules_(rules),
      whole_(shard_.size() == 1 || rules.memory == GradientMemory::kWhole),
      filled_(layout.tensors_of(bucket).size()) {
  auto gradient = at::TensorOptions().dtype(layout.type(bucket)).device(layout.device(bucket));
  type_ = reproducible() ? gradient.dtype(at::kLong) : gradient;
  int64_t share = layout.elements(bucket) / (whole_ ? 1 : layout.ranks(bucket));
  sum_ = whole_ ? at::empty({share}, type_) : at::zeros({share}, type_);
  gradient_ = reproducible() ? at::empty({share}, gradient) : sum_;
}

void GradientBucket::begin_step() {
  buffer_.reset();
  if (whole_) {
    give_memory_back(sum_);
    give_memory_back(gradient_);
  }
  std::fill(filled_.begin(), filled_.end(), 0);
  started_ = 0;
  largest_ = 0;
}

void GradientBucket::open_buffer() {
  if (buffer_.defined()) return;
  if (whole_ && started_ == 0) {
    take_memory(sum_);
    buffer_ = sum_;
  } else {
    buffer_ = at::empty({layout_.elements(bucket_)}, type_);
  }
  zero_gaps();
}

// What lies between tensors: sums and norms go over it.
void GradientBucket::zero_gaps() {
  int64_t end = 0;
  for (size_t tensor : layout_.tensors_of(bucket_)) {
    Range range = layout_.range_of(tensor);
    buffer_.narrow(0, end, range.begin - end).zero_();
    end = range.end;
  }
  buffer_.narrow(0, end, buffer_.numel() - end).zero_();
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
    flight.work = shard_.reduce_scatter_async(result, flight.input.view({shard_.size(), -1}));
    if (!first) flight.addend = std::move(result);
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

std::unique_ptr<Work> GradientBucket::join_parts() {
  return whole_ || replica_.size() == 1 ? nullptr : replica_.all_reduce_async(sum_, Reduce::kSum);
}

void GradientBucket::finish_step() {
  if (!reproducible()) return;
  double begin = seconds();
  take_memory(gradient_);
  largest_sum_ = rules_.loops.convert(gradient_, sum_, rules_.point);
  if (whole_) give_memory_back(sum_);
  integer_seconds_ += seconds() - begin;
}

}  // namespace sextant::parallel
