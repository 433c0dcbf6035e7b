#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/durable_file.h"
#include "launch/commands.h"
#include "launch/version.h"
#include "rlhf/safety_report.h"
#include "rlhf/stage_run.h"
#include "trainer/report/page.h"
#include "trainer/report/report.h"

namespace sextant::launch {
namespace {

struct ReportOptions {
  std::vector<std::string> runs;
  std::string output;
};

void report(const ReportOptions& options) {
  std::vector<std::filesystem::path> runs(options.runs.begin(), options.runs.end());
  auto found = trainer::report_of(runs, rlhf::kind_of_file, program_text());
  std::filesystem::path output =
      options.output.empty() ? runs.front() / "report.html" : std::filesystem::path(options.output);
  data::write_file(output, trainer::page_of(found));
  std::fputs(trainer::report_table(found).c_str(), stdout);
  for (const auto& safety : found["safety"])
    std::printf("%s\n%s\n", safety["name"].get<std::string>().c_str(), rlhf::safety_table(safety).c_str());
  std::printf("%s\n", output.c_str());
}

}  // namespace

void add_report(CLI::App& app) {
  auto options = std::make_shared<ReportOptions>();
  CLI::App* command = app.add_subcommand(
      "report", "Write one HTML file that shows runs: curves, samples, settings, final numbers side by side");
  command->add_option("runs", options->runs, "Folders of runs; several are compared")->required();
  command->add_option("--output", options->output, "The file; else report.html in the first run's folder");
  command->footer("Example: sextant report runs/quickstart/pretrain runs/longer --output report.html");
  command->callback([options] { report(*options); });
}

}  // namespace sextant::launch
