#include "launch/run_start.h"

#include <optional>

#include "parallel/agreement.h"
#include "parallel/group_nccl.h"
#include "rlhf/stage_run.h"
#include "trainer/automatic_layout.h"
#include "trainer/model/model_rules.h"
#include "trainer/start_from.h"

namespace sextant::launch {

namespace {

// The layout where the file leaves it to us, and why; "" where it does not.
std::string fill_layout(trainer::Run& config, int64_t vocabulary, const trainer::RankResources& resources) {
  if (!trainer::leaves_layout_open(config.parallel()) || resources.ranks == 1) return "";
  trainer::Run whole = config;
  trainer::fill_defaults(whole, vocabulary);
  trainer::LayoutChoice choice = trainer::choose_layout(whole, resources);
  config.mutable_parallel()->MergeFrom(choice.mesh);
  return choice.reason;
}

// What needs no ranks.
void check_alone(RunFile& run) {
  trainer::check(trainer::adopt_model(run.config), run.origins);
  trainer::check(trainer::complaints(run.config, 0, run.rows), run.origins);
}

}  // namespace

RunFile read_run(const std::string& file, const std::vector<std::string>& overrides) {
  RunFile run;
  run.config = trainer::load_run(file, overrides, &run.origins);
  check_alone(run);
  return run;
}

RunFile read_stage(const std::string& file, const std::vector<std::string>& overrides,
                   google::protobuf::Message& stage, trainer::ModelSettings::Head head) {
  RunFile run;
  rlhf::load_stage(file, overrides, stage, &run.origins);
  run.config = rlhf::base_of(stage);
  if (!run.config.model().has_head()) run.config.mutable_model()->set_head(head);
  run.rows = trainer::RowsFrom::kStage;
  check_alone(run);
  return run;
}

data::Tokenizer complete_run(RunFile& run, parallel::Group& world, const trainer::RankResources& resources) {
  std::optional<data::Tokenizer> tokenizer;
  parallel::together(world, [&] {
    trainer::Run& config = run.config;
    bool open = trainer::leaves_layout_open(config.parallel());
    trainer::check(trainer::complaints(config, open ? 0 : resources.ranks, run.rows), run.origins);
    tokenizer.emplace(data::Tokenizer::load(config.data().tokenizer(), config.data().tokenizer_pattern()));
    run.layout_reason = fill_layout(config, tokenizer->vocabulary(), resources);
    trainer::fill_defaults(config, tokenizer->vocabulary());
    trainer::check(trainer::complaints(config, resources.ranks, run.rows), run.origins);
    trainer::check(trainer::vocabulary_complaints(config.model(), tokenizer->vocabulary()), run.origins);
  });
  return std::move(*tokenizer);
}

Carrier::Carrier(parallel::Group& world, at::Device device, const parallel::MpiSession& session)
    : world_(world) {
  if (!device.is_cuda() || parallel::nccl_obstacle(world)) return;
  nccl_ = parallel::nccl_group(world, session.watchdog());
}

}  // namespace sextant::launch
