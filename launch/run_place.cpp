#include "launch/run_place.h"

#include <algorithm>

#include "data/durable_file.h"
#include "launch/version.h"
#include "parallel/agreement.h"

namespace sextant::launch {

RunPlace::RunPlace(const trainer::Run& config, parallel::MpiSession& session, parallel::Group& world)
    : settings_(config.run()), world_(world), folder_(settings_.folder(), world) {
  session.watch(config.parallel().collective_timeout_seconds(), folder_.path() / "ranks");
}

std::string RunPlace::newest() const {
  std::string found;
  if (first()) {
    if (auto path = trainer::newest_checkpoint(checkpoints())) found = path->string();
  }
  return parallel::gather_bytes(world_, found)[0];
}

Step RunPlace::last() const {
  return Step(settings_.has_stop_at() ? std::min(settings_.stop_at(), settings_.steps()) : settings_.steps());
}

bool RunPlace::is_over(Step start) const {
  if (start < last()) return false;
  say("nothing left to do: step {} of {} is reached; raise run.steps or give another run.folder",
      start.value(), last().value());
  return true;
}

std::unique_ptr<trainer::RunLog> RunPlace::open_log(Step start, const std::string& config_text) const {
  std::unique_ptr<trainer::RunLog> log;
  parallel::together(world_, [&] {
    if (!first()) return;
    data::write_file(file("config.yaml"), config_text);
    log = std::make_unique<trainer::RunLog>(folder_.path(), settings_, start, last());
  });
  return log;
}

std::map<std::string, std::string> RunPlace::side_files(std::map<std::string, std::string> kept,
                                                        const data::Tokenizer& tokenizer,
                                                        const std::string& config_text) {
  kept["tokenizer.json"] = tokenizer.to_json();
  kept["config.yaml"] = config_text;
  return kept;
}

trainer::Manifest RunPlace::identity(uint64_t data_fingerprint, const data::Tokenizer& tokenizer,
                                     const std::string& layout) {
  trainer::Manifest manifest;
  manifest.set_data_fingerprint(data_fingerprint);
  manifest.set_tokenizer_fingerprint(tokenizer.fingerprint());
  manifest.set_layout(layout);
  manifest.set_program(program_text());
  return manifest;
}

int RunPlace::end(trainer::Outcome outcome) const {
  std::string path = newest();
  if (outcome == trainer::Outcome::kStopped) {
    say("stopped in good order; {} holds everything, start again to go on", path);
    return exit_code(ErrorKind::kStopped);
  }
  say("done: {}", path.empty() ? folder_.path().string() : path);
  return 0;
}

}  // namespace sextant::launch
