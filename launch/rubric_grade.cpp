#include "rlhf/rubric_grade.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <memory>

#include "data/durable_file.h"
#include "launch/machine.h"
#include "launch/ranks.h"
#include "launch/rubric.h"
#include "launch/yaml_command.h"
#include "parallel/agreement.h"
#include "rlhf/rubric_features.h"
#include "trainer/config/load.h"
#include "trainer/metrics/progress.h"

namespace sextant::launch {
namespace {

using Clock = std::chrono::steady_clock;

// A line now and then on how far rank 0 is with its share.
class Teller {
 public:
  void operator()(int64_t done, int64_t of) {
    double spent = std::chrono::duration<double>(Clock::now() - start_).count();
    if (spent < next_) return;
    next_ = spent + 15;
    std::printf(
        "%ld of %ld answers, left %s\n", static_cast<long>(done), static_cast<long>(of),
        trainer::duration_text(spent / static_cast<double>(done) * static_cast<double>(of - done)).c_str());
    std::fflush(stdout);
  }

 private:
  Clock::time_point start_ = Clock::now();
  double next_ = 5;
};

int grade(const rlhf::RubricGradeRun& run, parallel::MpiSession& session, parallel::Group& world) {
  const rlhf::RubricGradeSettings& settings = run.grade();
  share_out_threads(session.local_size());
  rlhf::Rubric rubric;
  std::unique_ptr<rlhf::RubricScorer> scorer;
  std::vector<rlhf::LabelledAnswer> answers;
  data::LineCounts counts;
  parallel::together(world, [&] {
    trainer::load_config(settings.rubric(), {}, rubric, nullptr);
    for (const std::string& file : settings.answers())
      counts += rlhf::read_labelled_answers(file, run.chat().on_bad_line(), answers);
    rlhf::check_labels(settings, rubric, answers);
    scorer = std::make_unique<rlhf::RubricScorer>(rlhf::of_units(rubric), settings.rubric(),
                                                  choose_device(trainer::RunSettings::automatic, session));
  });
  Teller told;
  rlhf::score_labelled(
      *scorer, answers, [&](int64_t done, int64_t of) { told(done, of); }, world);
  parallel::together(world, [&] {
    if (world.rank() != Rank(0)) return;
    if (settings.has_output()) data::write_file(settings.output(), rlhf::grade_lines(answers));
    if (counts.left_out > 0) {
      std::printf(
          "%s\n",
          fmt::format("{} lines left out (the first: {})", counts.left_out, counts.first_fault).c_str());
    }
    std::printf("%s", rlhf::grade_table(rlhf::grade_sources(settings, rubric, answers)).c_str());
    if (settings.has_output()) std::printf("%s\n", settings.output().c_str());
    std::fflush(stdout);
  });
  return 0;
}

int grade_rubric(const YamlSource& options) {
  rlhf::RubricGradeRun run;
  trainer::Origins origins;
  trainer::load_config(options.file, options.overrides, run, &origins);
  return run_on_ranks(
      [&](parallel::MpiSession& session, parallel::Group& world) { return grade(run, session, world); });
}

}  // namespace

void add_rubric_grade(CLI::App& rubric) {
  add_yaml_command(
      rubric, "grade", "Measure a rubric's rules and judge on answers that somebody has labelled",
      "YAML file of the measurement (docs/alignment.md)",
      "Example: mpirun -n 2 sextant rubric grade configs/rlhf/labelled_answers.yaml", grade_rubric);
}

}  // namespace sextant::launch
