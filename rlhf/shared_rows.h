#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "rlhf/experience.pb.h"
#include "trainer/model/transformer.h"
#include "trainer/rows.h"

// What ranks that share a model each hold of its rows, put together. Ranks that share it call together.
//
// B rows, T time of a whole row, n context ranks, tp tensor ranks, C channels.
namespace sextant::rlhf {

// The last stage's channels of what this rank's context cut leaves of the rows, [B, T/n/tp, C] to
// [B, T/n, C]; gradients add up over the tensor ranks.
at::Tensor whole_hidden(const trainer::Transformer& model, const at::Tensor& hidden);

// A number for each place, [B, T/n] to [B, T]; gradients add up over the context ranks.
at::Tensor whole_time(const trainer::Transformer& model, const at::Tensor& numbers);

// Rows of whole time.
trainer::Rows whole_rows(const trainer::Transformer& model, const trainer::Rows& rows);

// Ranks that share each row's time. What all of them add up alike is divided by it.
int64_t context_ranks(const trainer::Transformer& model);

// Whether this is the one of the ranks that come to the same numbers whose word counts.
bool speaks_for_all(const trainer::Transformer& model);

// The time of rows that hold all of the episodes, as short as the ranks that share a model allow.
int64_t row_time(const std::vector<const Episode*>& episodes, const trainer::Transformer& model);

}  // namespace sextant::rlhf
