#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "data/tokenizer/tokenizer.h"
#include "parallel/group_mpi.h"
#include "trainer/automatic_layout.h"
#include "trainer/config/load.h"
#include "trainer/config/rules.h"
#include "trainer/run.pb.h"

// How every command that trains begins: its file, the rules that need the ranks, what tensors travel by.
namespace sextant::launch {

// A run as its YAML file and the command line have it; of a stage of alignment the sections that it shares
// with pretraining.
struct RunFile {
  trainer::Run config;
  trainer::RowsFrom rows = trainer::RowsFrom::kShards;
  trainer::Origins origins;
  std::string layout_reason;  // where the layout was left to us: what was chosen, and why
};

// Reads the file and checks what needs no ranks, before MPI starts: mistakes are told at once and by one rank
// (see main). Throws Error(kInput) with all of them.
RunFile read_run(const std::string& file, const std::vector<std::string>& overrides);

// The same of a stage of alignment (rlhf/stage_run.h), into `stage`. `head` is the model's unless the file
// says otherwise.
RunFile read_stage(const std::string& file, const std::vector<std::string>& overrides,
                   google::protobuf::Message& stage, trainer::ModelSettings::Head head);

// Checks what needs the ranks and the tokenizer, and fills in every default, the layout by what the ranks
// have, which are the world's or those of a run that is planned. Throws AgreedError. All ranks must call,
// with equal resources. Returns the tokenizer.
data::Tokenizer complete_run(RunFile& run, parallel::Group& world, const trainer::RankResources& resources);

// What tensors on the ranks' devices travel by: NCCL where each rank has a GPU of its own; else MPI, which
// stages them through the host. All ranks must make one together; `world` must outlive it.
class Carrier {
 public:
  Carrier(parallel::Group& world, at::Device device, const parallel::MpiSession& session);
  parallel::Group& group() const { return nccl_ ? *nccl_ : world_; }

 private:
  parallel::Group& world_;
  std::unique_ptr<parallel::Group> nccl_;
};

}  // namespace sextant::launch
