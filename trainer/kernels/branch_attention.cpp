#include "trainer/kernels/branch_attention.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "parallel/base/error.h"
#include "trainer/kernels/attention.h"
#include "trainer/kernels/cached_attention.h"
#include "trainer/kernels/share_out.h"
#include "trainer/kernels/simd/branch_attention.h"
#include "trainer/kernels/simd_memory.h"

namespace sextant::trainer {
namespace {

constexpr int64_t kGrain = 1 << 17;  // products that are worth a thread

auto kernel_of(const BranchAttentionKernels& kernels, float) {
  return kernels.fp32;
}

auto kernel_of(const BranchAttentionKernels& kernels, Bf16) {
  return kernels.bf16;
}

// Some queries of a branch that a vector has room for.
struct QueryTask {
  size_t branch;
  int64_t key_head, first, last;
};

std::vector<QueryTask> tasks_of(const std::vector<Branch>& branches, int64_t key_heads, int64_t group,
                                int64_t lanes) {
  std::vector<QueryTask> tasks;
  for (size_t branch = 0; branch < branches.size(); ++branch) {
    int64_t queries = (branches[branch].last - branches[branch].first) * group;
    for (int64_t head = 0; head < key_heads; ++head) {
      for (int64_t first = 0; first < queries; first += lanes)
        tasks.push_back({branch, head, first, std::min(queries, first + lanes)});
    }
  }
  return tasks;
}

// The branches that one stands behind, itself the last.
std::vector<const Branch*> path_to(const std::vector<Branch>& branches, size_t branch) {
  std::vector<const Branch*> path;
  for (auto at = static_cast<int64_t>(branch); at >= 0; at = branches[static_cast<size_t>(at)].parent)
    path.push_back(&branches[static_cast<size_t>(at)]);
  std::reverse(path.begin(), path.end());
  return path;
}

// Keys of the branch that reads most.
int64_t most_keys(const std::vector<Branch>& branches, int64_t kept) {
  int64_t most = kept;
  std::vector<int64_t> keys;
  for (const Branch& branch : branches) {
    keys.push_back((branch.parent < 0 ? kept : keys[static_cast<size_t>(branch.parent)]) + branch.last -
                   branch.first);
    most = std::max(most, keys.back());
  }
  return most;
}

// Tensors as the kernels read them.
template <class Number>
struct Memory {
  Number *query, *key, *value, *kept_keys, *kept_values, *output;
  int64_t heads, key_heads, width, kept, window;

  // What a branch reads of a key head.
  std::vector<KeyRun<Number>> runs(const std::vector<Branch>& branches, const QueryTask& task) const {
    int64_t in_front = task.key_head * kept * width, stride = key_heads * width;
    std::vector<KeyRun<Number>> runs{{kept_keys + in_front, kept_values + in_front, kept, width}};
    for (const Branch* branch : path_to(branches, task.branch)) {
      int64_t at = branch->first * stride + task.key_head * width;
      runs.push_back({key + at, value + at, branch->last - branch->first, stride});
    }
    return runs;
  }

  BranchAttention<Number> work(const Branch& branch, int64_t key_head,
                               const std::vector<KeyRun<Number>>& runs) const {
    int64_t group = heads / key_heads, at = (branch.first * heads + key_head * group) * width;
    return {query + at,
            output + at,
            runs.data(),
            std::ssize(runs),
            heads * width,
            group,
            width,
            window,
            1.0F / std::sqrt(static_cast<float>(width))};
  }
};

void check(const std::vector<Branch>& branches, int64_t tokens) {
  for (size_t i = 0; i < branches.size(); ++i) {
    const Branch& branch = branches[i];
    bool own = branch.first >= 0 && branch.first < branch.last && branch.last <= tokens;
    expect(own && branch.parent < static_cast<int64_t>(i), "branches are tokens of the row, behind others");
  }
}

at::Tensor by_mask(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                   const at::Tensor& kept_keys, const at::Tensor& kept_values, const at::Tensor& mask) {
  expect(mask.defined(), "a mask for attention through ATen");
  at::Tensor keys = at::cat({kept_keys, key.transpose(1, 2)}, 2);        // [1, KV, K + T, D]
  at::Tensor values = at::cat({kept_values, value.transpose(1, 2)}, 2);  // [1, KV, K + T, D]
  return masked_attention(query.transpose(1, 2), keys, values, mask).transpose(1, 2);
}

}  // namespace

at::Tensor branch_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                            const at::Tensor& kept_keys, const at::Tensor& kept_values,
                            const std::vector<Branch>& branches, const at::Tensor& mask, int64_t window,
                            InstructionSet set) {
  if (!fits_cached_attention(query)) return by_mask(query, key, value, kept_keys, kept_values, mask);
  expect(query.size(0) == 1 && kept_keys.is_contiguous() && kept_values.is_contiguous(),
         "one row of tokens, and a cache that is contiguous");
  check(branches, query.size(1));
  at::Tensor q = query.contiguous(), k = key.contiguous(), v = value.contiguous();
  at::Tensor output = at::zeros_like(q);  // [1, T, H, D]
  int64_t heads = q.size(2), key_heads = k.size(2), width = q.size(3), kept = kept_keys.size(2);
  int64_t most = most_keys(branches, kept);
  auto kernels = pick(set, plain::kBranchAttentionKernels, avx2::kBranchAttentionKernels,
                      avx512::kBranchAttentionKernels);
  auto tasks = tasks_of(branches, key_heads, heads / key_heads, kernels.lanes);
  int64_t grain = std::max<int64_t>(1, kGrain / (most * width * kernels.lanes));
  with_number(query, [&](auto number) {
    using Number = decltype(number);
    Memory<Number> memory{memory_of<Number>(q),
                          memory_of<Number>(k),
                          memory_of<Number>(v),
                          memory_of<Number>(kept_keys),
                          memory_of<Number>(kept_values),
                          memory_of<Number>(output),
                          heads,
                          key_heads,
                          width,
                          kept,
                          window};
    auto attend = kernel_of(kernels, number);
    share_out(0, std::ssize(tasks), grain, [&](int64_t first, int64_t last) {
      std::vector<float> scratch(static_cast<size_t>((most + 2 * width) * kernels.lanes));
      for (int64_t i = first; i < last; ++i) {
        const QueryTask& task = tasks[static_cast<size_t>(i)];
        auto runs = memory.runs(branches, task);
        attend(memory.work(branches[task.branch], task.key_head, runs), scratch.data(), task.first,
               task.last);
      }
    });
  });
  return output;
}

at::Tensor branch_mask(const std::vector<Branch>& branches, int64_t tokens, int64_t kept, int64_t window) {
  check(branches, tokens);
  at::Tensor mask = at::zeros({1, 1, tokens, kept + tokens}, at::kBool);
  auto sees = mask.accessor<bool, 4>()[0][0];
  for (int64_t t = 0; t < tokens; ++t) sees[t][kept + t] = true;
  for (size_t i = 0; i < branches.size(); ++i) {
    std::vector<int64_t> keys(static_cast<size_t>(kept));  // in the order in which they are read
    std::iota(keys.begin(), keys.end(), 0);
    for (const Branch* part : path_to(branches, i)) {
      for (int64_t t = part->first; t < part->last; ++t) {
        keys.push_back(kept + t);
        if (part != &branches[i]) continue;
        int64_t first = window > 0 ? std::max<int64_t>(0, std::ssize(keys) - window) : 0;
        for (int64_t key = first; key < std::ssize(keys); ++key)
          sees[t][keys[static_cast<size_t>(key)]] = true;
      }
    }
  }
  return mask;
}

}  // namespace sextant::trainer
