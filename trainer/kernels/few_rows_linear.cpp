#include "trainer/kernels/few_rows_linear.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>

#include "parallel/base/error.h"
#include "trainer/kernels/amx/few_rows_linear.h"
#include "trainer/kernels/share_out.h"
#include "trainer/kernels/simd/few_rows_linear.h"
#include "trainer/kernels/simd_memory.h"

namespace sextant::trainer {
namespace {

constexpr int64_t kBlock = 32;            // outputs that one thread takes at a time
constexpr int64_t kGrainBytes = 1 << 16;  // of weights that are worth a thread
constexpr int64_t kVectorRows = 32;       // beyond, the library's blocked matrix multiply is faster
constexpr int64_t kTileRows = 512;        // packed inputs then leave the second-level cache

// Where the arithmetic is done: bf16 by tiles if the processor has them and the layer's shape fits.
enum class Way { kVectors, kTiles };

Way way_of(const at::Tensor& weight, InstructionSet set) {
  bool tiles = set == InstructionSet::kAmx && weight.scalar_type() == at::kBFloat16 &&
               weight.size(1) % amx::kTileDepth == 0 && weight.size(0) >= amx::kTileRows;
  return tiles ? Way::kTiles : Way::kVectors;
}

int64_t rows_of(const at::Tensor& input) {
  return input.numel() / std::max<int64_t>(1, input.size(-1));
}

// The inputs as the tiles read them. [rows * in]
at::Tensor packed(const at::Tensor& input) {
  int64_t rows = rows_of(input), in = input.size(-1);
  if (rows == 1) return input;
  at::Tensor result = at::empty_like(input);
  share_out(0, (rows + amx::kTileRows - 1) / amx::kTileRows, 1, [&](int64_t first, int64_t last) {
    int64_t begin = first * amx::kTileRows, end = std::min(rows, last * amx::kTileRows);
    amx::pack(memory_of<Bf16>(input) + begin * in, end - begin, in, memory_of<Bf16>(result) + begin * in);
  });
  return result;
}

using Task = std::function<void(int64_t first, int64_t last)>;  // computes some outputs of one layer

template <class Output>
Task tile_task(const at::Tensor& inputs, const Linear& layer, const at::Tensor& output, int64_t rows) {
  amx::Linear<Output> work{memory_of<Bf16>(inputs),
                           memory_of<Bf16>(layer.weight),
                           memory_of<Bf16>(layer.bias),
                           memory_of<Output>(output),
                           rows,
                           layer.weight.size(1),
                           layer.weight.size(0)};
  return [work](int64_t first, int64_t last) { amx::linear(work, first, last); };
}

template <class Number, class Output, class Kernel>
Task vector_task(const at::Tensor& inputs, const Linear& layer, const at::Tensor& output, Kernel kernel) {
  FewRowsLinear<Number, Output> work{memory_of<float>(inputs),
                                     memory_of<Number>(layer.weight),
                                     memory_of<Number>(layer.bias),
                                     memory_of<Output>(output),
                                     rows_of(inputs),
                                     layer.weight.size(1),
                                     layer.weight.size(0)};
  return [work, kernel](int64_t first, int64_t last) { kernel(work, first, last); };
}

Task task_of(const at::Tensor& inputs, const Linear& layer, const at::Tensor& output, Way way,
             InstructionSet set) {
  bool to_fp32 = output.scalar_type() == at::kFloat;
  if (way == Way::kTiles) {
    return to_fp32 ? tile_task<float>(inputs, layer, output, rows_of(inputs))
                   : tile_task<Bf16>(inputs, layer, output, rows_of(inputs));
  }
  auto kernels =
      pick(set, plain::kFewRowsLinearKernels, avx2::kFewRowsLinearKernels, avx512::kFewRowsLinearKernels);
  if (layer.weight.scalar_type() == at::kFloat) {
    return vector_task<float, float>(inputs, layer, output, kernels.fp32);
  }
  return to_fp32 ? vector_task<Bf16, float>(inputs, layer, output, kernels.bf16_to_fp32)
                 : vector_task<Bf16, Bf16>(inputs, layer, output, kernels.bf16);
}

// Runs all layers' outputs over the threads in one go, in blocks.
void run(const std::vector<Task>& tasks, const std::vector<Linear>& layers) {
  std::vector<int64_t> ends;  // of each layer in blocks
  ends.reserve(layers.size());
  int64_t blocks = 0;
  for (const Linear& layer : layers) ends.push_back(blocks += (layer.weight.size(0) + kBlock - 1) / kBlock);
  int64_t block_bytes = kBlock * layers[0].weight.size(1) * layers[0].weight.element_size();
  int64_t grain = std::max<int64_t>(1, kGrainBytes / block_bytes);
  share_out(0, blocks, grain, [&](int64_t first, int64_t last) {
    for (size_t i = 0; i < layers.size(); ++i) {
      int64_t start = i == 0 ? 0 : ends[i - 1];
      int64_t begin = std::max(first, start), end = std::min(last, ends[i]);
      if (begin >= end) continue;
      tasks[i]((begin - start) * kBlock, std::min((end - start) * kBlock, layers[i].weight.size(0)));
    }
  });
}

}  // namespace

bool is_few_rows(const at::Tensor& input, const Linear& layer, InstructionSet set) {
  if (!c10::InferenceMode::is_enabled() || !fits_simd(input) || input.numel() == 0) return false;
  const at::Tensor& weight = layer.weight;
  if (weight.scalar_type() != input.scalar_type() || !weight.is_contiguous()) return false;
  return rows_of(input) <= most_few_rows(weight, set);
}

int64_t most_few_rows(const at::Tensor& weight, InstructionSet set) {
  return way_of(weight, set) == Way::kTiles ? kTileRows : kVectorRows;
}

std::vector<at::Tensor> few_rows_linear(const at::Tensor& input, const std::vector<Linear>& layers,
                                        at::ScalarType output, InstructionSet set) {
  at::Tensor rows = input.contiguous();
  at::Tensor tiled, widened;  // made once for the layers that read them
  std::vector<at::Tensor> outputs;
  std::vector<Task> tasks;
  std::vector<int64_t> shape = input.sizes().vec();
  for (const Linear& layer : layers) {
    expect(layer.weight.size(1) == input.size(-1), "a linear layer reads all of its input");
    shape.back() = layer.weight.size(0);
    outputs.push_back(at::empty(shape, input.options().dtype(output)));
    Way way = way_of(layer.weight, set);
    at::Tensor& inputs = way == Way::kTiles ? tiled : widened;
    if (!inputs.defined()) inputs = way == Way::kTiles ? packed(rows) : rows.to(at::kFloat);
    tasks.push_back(task_of(inputs, layer, outputs.back(), way, set));
  }
  run(tasks, layers);
  return outputs;
}

}  // namespace sextant::trainer
