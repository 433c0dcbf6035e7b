#pragma once

#include <ATen/core/Tensor.h>

#include "parallel/group.h"

// What every backend demands of a verb's tensors. A breach is a bug of the caller: std::invalid_argument,
// raised before anything is sent, with group, verb and both shapes.
namespace sextant::parallel {

// Defined, strided and contiguous.
void check_whole(const Group& group, const char* verb, const at::Tensor& tensor);
// check_whole, and of a type that can be reduced (any number; not bool, not complex).
void check_reducible(const Group& group, const char* verb, const at::Tensor& tensor);
// `pieces` is [n, any], `one` is [any]: same type and device.
void check_pieces(const Group& group, const char* verb, const at::Tensor& pieces, const at::Tensor& one);
// `output` and `input` are both [n, any].
void check_exchange(const Group& group, const at::Tensor& output, const at::Tensor& input);
// A rank of the group.
void check_member(const Group& group, const char* verb, Rank member);
// A rank of the group other than this one.
void check_peer(const Group& group, const char* verb, Rank peer);

}  // namespace sextant::parallel
