#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "data/tokenizer/tokenizer.h"
#include "parallel/base/number.h"
#include "parallel/group_mpi.h"
#include "trainer/checkpoint/checkpoint.h"
#include "trainer/run.pb.h"
#include "trainer/run_folder.h"
#include "trainer/run_log.h"
#include "trainer/train.h"

namespace sextant::launch {

// What every command that trains does around its loop: holds the run's folder, says how things stand, finds
// where to go on and writes down what the run is. One a rank; all ranks make it together.
class RunPlace {
 public:
  // `config` is complete and must outlive this. Takes the folder, and lets the watchdog write into it.
  RunPlace(const trainer::Run& config, parallel::MpiSession& session, parallel::Group& world);

  bool first() const { return world_.rank() == Rank(0); }
  std::filesystem::path checkpoints() const { return folder_.checkpoints(); }
  std::filesystem::path file(const char* name) const { return folder_.path() / name; }

  // On rank 0 alone.
  template <class... Values>
  void say(fmt::format_string<Values...> text, Values&&... values) const {
    if (!first()) return;
    std::printf("%s\n", fmt::format(text, std::forward<Values>(values)...).c_str());
    std::fflush(stdout);
  }

  // The newest checkpoint, as rank 0 sees it, so that all ranks go on from the same one; "" for none. All
  // ranks must call.
  std::string newest() const;

  // The step that this start ends at.
  Step last() const;
  // Whether `start` is there already, which is said then.
  bool is_over(Step start) const;

  // Writes config.yaml and opens the log, on rank 0; null elsewhere. All ranks must call.
  std::unique_ptr<trainer::RunLog> open_log(Step start, const std::string& config_text) const;
  // What stands in every checkpoint beside the tensors: `kept` of the model that the run started from.
  static std::map<std::string, std::string> side_files(std::map<std::string, std::string> kept,
                                                       const data::Tokenizer& tokenizer,
                                                       const std::string& config_text);
  static trainer::Manifest identity(uint64_t data_fingerprint, const data::Tokenizer& tokenizer,
                                    const std::string& layout);

  // Says how the loop ended, and returns the exit code. All ranks must call.
  int end(trainer::Outcome outcome) const;

 private:
  const trainer::RunSettings& settings_;
  parallel::Group& world_;
  trainer::RunFolder folder_;
};

}  // namespace sextant::launch
