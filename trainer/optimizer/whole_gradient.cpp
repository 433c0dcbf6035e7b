#include "trainer/optimizer/whole_gradient.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "parallel/base/error.h"

namespace sextant::trainer {
namespace {

using parallel::Group;
using parallel::Slice;

std::string bytes_of(const std::vector<int64_t>& numbers) {
  std::string bytes(numbers.size() * sizeof(int64_t), '\0');
  std::memcpy(bytes.data(), numbers.data(), bytes.size());
  return bytes;
}

// Every rank's numbers, by rank; all give equally many.
std::vector<std::vector<int64_t>> numbers_of_all(Group& group, const std::vector<int64_t>& numbers) {
  std::vector<std::vector<int64_t>> all;
  for (const std::string& bytes : parallel::gather_bytes(group, bytes_of(numbers))) {
    expect(bytes.size() == numbers.size() * sizeof(int64_t), "all ranks list the same pieces");
    all.emplace_back(numbers.size());
    std::memcpy(all.back().data(), bytes.data(), bytes.size());
  }
  return all;
}

at::Tensor box_of(at::Tensor tensor, const Slice& box) {
  for (size_t d = 0; d < box.shape.size(); ++d) {
    tensor = tensor.narrow(static_cast<int64_t>(d), box.offset[d], box.shape[d]);
  }
  return tensor;
}

}  // namespace

WholeGradient::WholeGradient(const std::vector<OwnedPiece>& pieces, Group* tensor) : tensor_(tensor) {
  for (const OwnedPiece& piece : pieces) {
    Place place;
    place.slice = piece.parameter->slice();
    place.whole = piece.parameter->shape;
    if (place.whole.size() == 3) {
      place.whole[0] = place.slice.shape[0];
      place.slice.offset[0] = 0;
    }
    place.begin = piece.begin;
    place.elements = piece.elements();
    places_.push_back(std::move(place));
  }
  ask_holders(pieces);
  if (tensor_ != nullptr && tensor_->size() > 1) ask_tensor_ranks();
}

void WholeGradient::ask_holders(const std::vector<OwnedPiece>& pieces) {
  // One question for all pieces of a group, groups in the order in which the pieces name them.
  std::vector<Group*> groups;
  for (const OwnedPiece& piece : pieces) {
    if (!piece.is_whole() && std::find(groups.begin(), groups.end(), piece.holders) == groups.end())
      groups.push_back(piece.holders);
  }
  for (Group* group : groups) {
    std::vector<size_t> asked;
    std::vector<int64_t> own;
    for (size_t i = 0; i < pieces.size(); ++i) {
      if (pieces[i].holders != group) continue;
      asked.push_back(i);
      own.insert(own.end(), {pieces[i].begin, pieces[i].end});
    }
    for (const std::vector<int64_t>& ranges : numbers_of_all(*group, own)) {
      for (size_t k = 0; k < asked.size(); ++k)
        places_[asked[k]].ranges.emplace_back(ranges[2 * k], ranges[2 * k + 1]);
    }
    for (size_t i : asked) places_[i].holders = group;
  }
}

void WholeGradient::ask_tensor_ranks() {
  std::vector<int64_t> own;
  for (const Place& place : places_) {
    own.insert(own.end(), place.slice.offset.begin(), place.slice.offset.end());
  }
  for (const std::vector<int64_t>& offsets : numbers_of_all(*tensor_, own)) {
    size_t next = 0;
    for (Place& place : places_) {
      Slice slice = place.slice;  // all parts are equally large
      for (int64_t& offset : slice.offset) offset = offsets[next++];
      place.slices.push_back(std::move(slice));
    }
  }
  for (Place& place : places_) {
    bool cut = place.slice.shape != place.whole;
    if (!cut) place.slices.clear();
  }
}

at::Tensor WholeGradient::gather_slice(const Place& place, const at::Tensor& own) const {
  if (place.holders == nullptr) return own.view(place.slice.shape);
  int64_t longest = 0;
  for (auto [begin, end] : place.ranges) longest = std::max(longest, end - begin);
  at::Tensor sent = at::zeros({longest}, own.options());
  sent.narrow(0, 0, own.numel()).copy_(own);
  at::Tensor all = at::empty({place.holders->size(), longest}, own.options());  // [holders, longest]
  place.holders->all_gather(all, sent);
  at::Tensor slice = at::zeros({place.slice.elements()}, own.options());
  for (size_t r = 0; r < place.ranges.size(); ++r) {
    auto [begin, end] = place.ranges[r];
    slice.narrow(0, begin, end - begin).copy_(all[static_cast<int64_t>(r)].narrow(0, 0, end - begin));
  }
  return slice.view(place.slice.shape);
}

at::Tensor WholeGradient::gather(size_t i, const at::Tensor& own) const {
  const Place& place = places_[i];
  at::Tensor slice = gather_slice(place, own);
  if (place.slices.empty()) return slice;
  at::Tensor all = at::empty({tensor_->size(), slice.numel()}, own.options());  // [tp, slice]
  tensor_->all_gather(all, slice.reshape({-1}).contiguous());
  at::Tensor whole = at::zeros(place.whole, own.options());
  for (size_t r = 0; r < place.slices.size(); ++r) {
    box_of(whole, place.slices[r]).copy_(all[static_cast<int64_t>(r)].view(place.slice.shape));
  }
  return whole;
}

at::Tensor WholeGradient::own_part(size_t i, const at::Tensor& whole) const {
  const Place& place = places_[i];
  return box_of(whole, place.slice).reshape({-1}).narrow(0, place.begin, place.elements);
}

}  // namespace sextant::trainer
