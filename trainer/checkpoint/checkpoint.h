#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "parallel/group.h"
#include "parallel/placement.h"
#include "trainer/checkpoint/checkpoint.pb.h"
#include "trainer/kernels/split_master.h"

namespace sextant::trainer {

// One tensor of the training state as this rank holds it.
struct StateTensor {
  std::string name;            // "weights/NAME", "optimizer/first_moment/NAME", ...
  std::vector<int64_t> whole;  // logical shape
  parallel::Slice slice;       // which box of it `tensor` is
  at::Tensor tensor;           // contiguous, any device; undefined where it is split
  SplitMaster split = {};      // the box's numbers in row-major order; or none

  at::ScalarType type() const { return split.defined() ? at::kFloat : tensor.scalar_type(); }
  // [slice's shape]: the tensor, or where it is split a copy of the numbers.
  at::Tensor numbers() const { return split.defined() ? split.joined().view(slice.shape) : tensor.detach(); }
};

// Which published checkpoints stay.
struct Retention {
  int64_t keep_last = 2;
  int64_t keep_every = 0;  // steps; 0: none for good
};

// Writes checkpoints/step-XXXXXXXX folders. A save is copied to host memory at once, written by a background
// thread of each rank, and published by rank 0 with one rename when every rank has finished. Boxes that
// several ranks hold are written by one of them, chosen so that all write about equally much.
class CheckpointWriter {
 public:
  // `folder` is the run's checkpoints folder, shared by all ranks. Left-overs of saves that never ended are
  // removed (rank 0). All ranks must call.
  CheckpointWriter(std::filesystem::path folder, parallel::Group& world, Retention retention);
  ~CheckpointWriter();

  // Starts a save; a save still under way is finished first. `header` holds step, tokens, samples,
  // fingerprints, config, layout, counters and program; the rest is filled in. `side_files` (name -> bytes,
  // rank 0's count) such as tokenizer.json stand beside the tensors under the same checksums. All ranks must
  // call.
  void begin(Manifest header, const std::vector<StateTensor>& state,
             const std::map<std::string, std::string>& side_files);
  // Publishes the save under way if every rank has written its part. Cheap; all ranks must call together,
  // after each step. Throws on every rank when any rank failed, naming rank, file and reason.
  void poll();
  // Waits for the save under way and publishes it. All ranks must call.
  void finish();
  bool under_way() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// The newest published checkpoint in a run's checkpoints folder, by the number in its name; none when the
// folder is absent or empty. Never an incomplete one.
std::optional<std::filesystem::path> newest_checkpoint(const std::filesystem::path& folder);

// A published checkpoint, open for reading. No collectives: each rank reads what it needs.
class CheckpointReader {
 public:
  // `folder` is a step-XXXXXXXX folder (or a checkpoints or run folder: its newest is taken). Checks the
  // manifest and every file's presence, length and header. Throws Error(kInput) naming the file, the offset
  // and what to do.
  explicit CheckpointReader(const std::filesystem::path& folder);
  ~CheckpointReader();

  const Manifest& manifest() const;
  const std::filesystem::path& folder() const;
  // Fills `wanted.tensor` (allocated, contiguous, CPU or device), or `wanted.split`, with its box, from
  // whichever pieces hold it, in the tensor's own type (F64 <-> F32 is converted). Verifies the checksum of
  // every block it touches.
  void read(StateTensor& wanted) const;
  // Logical names and shapes of all tensors, sorted by name.
  std::map<std::string, std::vector<int64_t>> tensors() const;
  // The whole tensor of that name in its stored type, on the CPU.
  at::Tensor read_whole(const std::string& name) const;
  // Index `layer` of its first dim, in its stored type, on the CPU; reads no more than that.
  at::Tensor read_layer(const std::string& name, int64_t layer) const;
  // A side file's bytes, verified.
  std::string side_file(const std::string& name) const;
  // SHA-256, in hex, over the whole weights as little-endian fp32 in the order of their names: equal for
  // equal weights under any layout.
  std::string weights_sha256() const;
  // Reads every byte and checks it; returns a line for each fault, naming file, rank that wrote it and
  // offset.
  std::vector<std::string> verify() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace sextant::trainer
