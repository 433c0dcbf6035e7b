#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>

#include "launch/checkpoint_exchange.h"
#include "launch/checkpoint_summary.h"
#include "launch/commands.h"
#include "trainer/checkpoint/checkpoint.h"
#include "trainer/checkpoint/step_folder.h"
#include "trainer/checkpoint/verify.h"

namespace sextant::launch {
namespace {

enum class SummaryForm { kText, kJson };

// One line on stderr: rewritten on a terminal, else a new one every ten seconds.
class VerifyProgress {
 public:
  void operator()(int64_t done, int64_t all) {
    auto now = std::chrono::steady_clock::now();
    if (now - last_ < (terminal_ ? std::chrono::milliseconds(200) : std::chrono::milliseconds(10000))) return;
    last_ = now;
    double share = all > 0 ? 100.0 * static_cast<double>(done) / static_cast<double>(all) : 100.0;
    fmt::print(stderr, "{}checked {} of {} ({:.0f} %){}", terminal_ ? "\r" : "", bytes_text(done),
               bytes_text(all), share, terminal_ ? "\033[K" : "\n");
    std::fflush(stderr);
    shown_ = true;
  }
  void end() const {
    if (terminal_ && shown_) fmt::print(stderr, "\r\033[K");
  }

 private:
  bool terminal_ = ::isatty(STDERR_FILENO) == 1, shown_ = false;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

void inspect(const std::string& folder, SummaryForm form) {
  nlohmann::ordered_json summary = checkpoint_json(trainer::CheckpointReader(folder));
  // Texts from a file may hold anything; what is no UTF-8 is replaced.
  auto replace = nlohmann::ordered_json::error_handler_t::replace;
  fmt::print("{}", form == SummaryForm::kJson ? summary.dump(2, ' ', false, replace) + "\n"
                                              : checkpoint_text(summary));
}

void verify(const std::string& folder) {
  std::filesystem::path step = trainer::resolve_checkpoint(folder);
  VerifyProgress progress;
  int64_t checked = 0;
  std::vector<std::string> faults = trainer::verify_checkpoint(step, [&](int64_t done, int64_t all) {
    checked = done;
    progress(done, all);
  });
  progress.end();
  for (const std::string& fault : faults) fmt::print("{}\n", fault);
  if (faults.empty()) {
    fmt::print("{}: whole, {} checked\n", step.string(), bytes_text(checked));
    return;
  }
  fmt::print(stderr,
             "{}: damaged in {} place{}; move the folder away to go on from the checkpoint before it\n",
             step.string(), faults.size(), faults.size() == 1 ? "" : "s");
  throw CLI::RuntimeError(1);
}

const char* const kFolderHelp = "A step's folder, or a run's or its checkpoints folder: the newest is taken";

void add_inspect(CLI::App& checkpoint) {
  struct Options {
    std::string folder;
    SummaryForm form = SummaryForm::kText;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command =
      checkpoint.add_subcommand("inspect", "What a checkpoint holds, and the SHA-256 of its weights");
  command->add_option("folder", options->folder, kFolderHelp)->required()->type_name("DIR");
  command->add_flag_callback(
      "--json", [options] { options->form = SummaryForm::kJson; }, "As JSON, with every tensor");
  command->footer(
      "Examples:\n"
      "  sextant checkpoint inspect runs/gpt_124m\n"
      "  sextant checkpoint inspect runs/gpt_124m/checkpoints/step-00000100 --json");
  command->callback([options] { inspect(options->folder, options->form); });
}

void add_verify_files(CLI::App& checkpoint) {
  auto folder = std::make_shared<std::string>();
  CLI::App* command = checkpoint.add_subcommand("verify", "Read every byte of a checkpoint and check it");
  command->add_option("folder", *folder, kFolderHelp)->required()->type_name("DIR");
  command->footer(
      "A line for each fault, naming file, rank and offset. Exit code 0: whole; 1: damaged.\n"
      "Example: sextant checkpoint verify runs/gpt_124m/checkpoints/step-00000100");
  command->callback([folder] { verify(*folder); });
}

}  // namespace

void add_checkpoint(CLI::App& app) {
  CLI::App* checkpoint = app.add_subcommand(
      "checkpoint", "Look into checkpoints, check them, bring models in and give them out");
  checkpoint->require_subcommand(1);
  checkpoint->footer("Example: sextant checkpoint inspect runs/gpt_124m");
  add_inspect(*checkpoint);
  add_verify_files(*checkpoint);
  add_import(*checkpoint);
  add_export(*checkpoint);
}

}  // namespace sextant::launch
