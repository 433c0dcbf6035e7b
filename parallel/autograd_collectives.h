#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cstdint>

#include "parallel/along_dim.h"
#include "parallel/group.h"

// Collectives that autograd goes through. Gradients are those of the sum over the ranks of each rank's loss:
// what a rank's backward brings is that rank's part, and the pairs below add the parts up where a tensor was
// spread. All ranks of the group must call together, in forward and in backward, with equal shapes; dims are
// cut into group.size() equal parts, part r being rank r's (parallel/along_dim.h). `group` must outlive
// backward. A group of one rank gives x itself.
//
// "Reducing Activation Recomputation in Large Transformer Models" (Korthikanti et al. 2022, section 4.2.2)
// has the first two as g and its conjugate.
namespace sextant::parallel {

// Parts side by side, [.., d, ..] to [.., n d, ..]; backward sums over ranks and keeps this rank's part.
at::Tensor gather(const at::Tensor& part, int64_t dim, Group& group, SumOrder order = SumOrder::kAny);

// Parts side by side, for what every rank then does alike: each has the whole loss, not a part of it.
// Backward keeps this rank's part and asks nobody.
at::Tensor gather_alike(const at::Tensor& part, int64_t dim, Group& group);

// The sum over ranks, of which this rank keeps its part, [.., d, ..] to [.., d/n, ..]; backward puts the
// parts side by side.
at::Tensor reduce_scatter(const at::Tensor& whole, int64_t dim, Group& group);

// Every rank's part r along split_dim goes to rank r, which puts them side by side along concat_dim:
// [.., s, .., c, ..] to [.., s/n, .., n c, ..]. The two dims may be one. Backward goes the other way.
at::Tensor all_to_all(const at::Tensor& x, int64_t split_dim, int64_t concat_dim, Group& group);

// For functions that have collectives of their own: forward keeps the group, backward finds it again.
void keep_group(torch::autograd::AutogradContext* context, Group& group);
Group& kept_group(torch::autograd::AutogradContext* context);

}  // namespace sextant::parallel
