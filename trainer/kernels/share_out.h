#pragma once

#include <cstdint>
#include <functional>

namespace sextant::trainer {

// work(first, last) for parts of [begin, end), over libtorch's threads (OpenMP); no part but the last is
// smaller than grain. What at::parallel_for does where it is compiled with OpenMP, which only this source
// file is: libtorch's headers would make everything else run on one thread without a word.
void share_out(int64_t begin, int64_t end, int64_t grain, const std::function<void(int64_t, int64_t)>& work);

}  // namespace sextant::trainer
