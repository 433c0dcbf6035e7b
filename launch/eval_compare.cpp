#include <cstdio>
#include <memory>
#include <string>

#include "launch/eval.h"
#include "trainer/evaluation/compare.h"

namespace sextant::launch {
namespace {

struct CompareOptions {
  std::string a, b;
  int64_t resamples = 1000;
  uint64_t seed = 0;
  bool json = false;
};

void compare(const CompareOptions& options) {
  auto comparison = trainer::compare_records(
      trainer::read_records(options.a), trainer::read_records(options.b), options.resamples, options.seed);
  std::string text = options.json ? comparison.dump(1) + "\n" : trainer::comparison_table(comparison);
  std::fwrite(text.data(), 1, text.size(), stdout);
}

}  // namespace

void add_eval_compare(CLI::App& eval) {
  auto options = std::make_shared<CompareOptions>();
  CLI::App* command =
      eval.add_subcommand("compare", "Compare two evaluations of the same items, with tests of significance");
  command->add_option("a", options->a, "Folder of an evaluation")->required();
  command->add_option("b", options->b, "Folder of another one")->required();
  command->add_option("--resamples", options->resamples, "Of the bootstrap interval")
      ->check(CLI::Range(int64_t{0}, int64_t{1000000}))
      ->capture_default_str();
  command->add_option("--seed", options->seed, "Of the bootstrap")->capture_default_str();
  command->add_flag("--json", options->json, "Print JSON");
  command->footer("Example: sextant eval compare runs/eval_before runs/eval_after");
  command->callback([options] { compare(*options); });
}

}  // namespace sextant::launch
