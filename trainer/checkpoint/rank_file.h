#pragma once

#include <ATen/core/Tensor.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "trainer/checkpoint/checkpoint.pb.h"

namespace sextant::trainer {

inline constexpr int64_t kChecksumBlock = int64_t{4} << 20;  // bytes

// A box on its way to the disk: name, whole, offset, shape, type and bytes of `piece` are known.
struct HostBox {
  Manifest::Piece piece;
  at::Tensor tensor;  // contiguous, on the CPU
  // Where the tensor is absent: makes it when its turn comes, so that only one is in memory.
  std::function<at::Tensor()> make = {};
};

// What one rank writes of a checkpoint, into the folder of a save under way: "rank-00000.safetensors" with
// its boxes, and the side files. Returns where everything stands, with checksums. Everything is on the disk
// when it returns. Gives up, by Error(kEnvironment), soon after `stop` becomes true.
SaveReport write_rank_file(const std::filesystem::path& folder, int64_t rank, std::vector<HostBox>& boxes,
                           const std::map<std::string, std::string>& side_files,
                           const std::atomic<bool>& stop);

}  // namespace sextant::trainer
