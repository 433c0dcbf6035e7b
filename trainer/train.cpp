#include "trainer/train.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <utility>

#include "trainer/evaluation.h"
#include "trainer/host_memory.h"
#include "trainer/metrics/device_memory.h"
#include "trainer/model/flops.h"
#include "trainer/state.h"

namespace sextant::trainer {
namespace {

// Sums over the steps since the last line of metrics.
struct Interval {
  int64_t steps = 0;
  double seconds = 0;
  KindSeconds by_kind;
};

class TrainLoop {
 public:
  TrainLoop(Training& training, Step start)
      : run_(training),
        settings_(training.config.run()),
        step_(start),
        last_(settings_.has_stop_at() ? std::min(settings_.stop_at(), settings_.steps()) : settings_.steps()),
        tokens_per_step_(settings_.global_batch() * training.config.model().context()) {}

  Outcome operator()() {
    if (step_.value() == 0) draw();
    bool stop = false;
    while (step_ < last_ && !stop) {
      StepReport report = one_step();
      stop = agreed_stop();
      bool end = step_ == last_ || stop;
      if (step_.value() == settings_.steps() && run_.complete) run_.complete();
      std::optional<double> held_out = evaluate(end && !stop);
      record(report, held_out, end);
      save(end, stop);
    }
    run_.checkpoints.finish();
    if (run_.log != nullptr) {
      run_.log->finish();
      if (breakdown_.steps() > 0) run_.log->note(breakdown_.table());
      if (seconds_ > 0 && run_.step.integer_seconds() > 0) {
        run_.log->note(
            fmt::format("reproducible sums: {:.1f} % of the steps' time on this rank, beside communication",
                        100 * run_.step.integer_seconds() / seconds_));
      }
    }
    return stop && step_ < last_ ? Outcome::kStopped : Outcome::kFinished;
  }

 private:
  // Trains on the next global batch.
  StepReport one_step() {
    double before = steady_seconds();
    data::Batch batch;
    {
      auto timer = breakdown_.measure(TimeKind::kData);
      batch = run_.rows.batch(step_.value());
    }
    StepReport report = run_.step.run(step_, batch, settings_.micro_batch(), run_.loss, breakdown_);
    ++step_;
    run_.guard.observe(step_, report.finite, report.loss, report.grad_norm);
    {
      auto timer = breakdown_.measure(TimeKind::kCheckpoint);
      run_.checkpoints.poll();
    }
    interval_.by_kind += breakdown_.end_step();
    double took = steady_seconds() - before;
    interval_.seconds += took;
    seconds_ += took;
    ++interval_.steps;
    return report;
  }

  // A signal reaches ranks at different moments: the wish of any is the decision of all.
  bool agreed_stop() {
    return parallel::reduce_numbers(run_.world, {run_.stop_requested() ? 1.0 : 0.0},
                                    parallel::Reduce::kMax)[0] > 0;
  }

  std::optional<double> evaluate(bool finished) {
    bool due =
        finished || (settings_.evaluate_every() > 0 && step_.value() % settings_.evaluate_every() == 0);
    if (!due) return std::nullopt;
    std::optional<double> loss;
    if (run_.held_out.microbatches != nullptr) {
      loss = held_out_loss(run_.passes, *run_.held_out.microbatches, run_.held_out.count, run_.loss,
                           run_.data, run_.world);
      if (run_.measure) measured_ = run_.measure();
    }
    draw();
    return loss;
  }

  // On every rank: whoever holds a part of the model takes part, and the others would only wait.
  void draw() {
    if (settings_.sample_prompts().empty()) return;
    std::vector<std::string> prompts(settings_.sample_prompts().begin(), settings_.sample_prompts().end());
    auto samples = draw_samples(run_.passes, run_.tokenizer, prompts, run_.prompt_form,
                                settings_.sample_tokens(), settings_.seed());
    if (run_.log != nullptr) run_.log->samples(step_, samples);
  }

  void record(const StepReport& report, std::optional<double> held_out, bool end) {
    bool due = end || held_out || step_.value() % settings_.log_every() == 0;
    StepMetrics metrics;
    metrics.step = step_.value();
    metrics.tokens = step_.value() * tokens_per_step_;
    metrics.loss = report.loss;
    metrics.grad_norm = report.grad_norm;
    metrics.learning_rate = report.learning_rate;
    metrics.step_seconds = interval_.seconds / static_cast<double>(interval_.steps);
    metrics.tokens_per_second = static_cast<double>(tokens_per_step_) / metrics.step_seconds;
    metrics.mfu = share_of_peak(metrics.tokens_per_second);
    metrics.valid_loss = held_out;
    metrics.skipped = run_.guard.in_a_row();
    metrics.extra = std::exchange(measured_, {});
    if (report.expert_load > 0) metrics.extra.emplace_back("expert_load", report.expert_load);
    auto memory = static_cast<double>(device_memory(run_.passes.model().parameters().device()));
    if (due) memory = parallel::reduce_numbers(run_.world, {memory}, parallel::Reduce::kMax)[0];
    metrics.memory_bytes = static_cast<int64_t>(memory);
    if (run_.log != nullptr) run_.log->progress(metrics);
    if (!due) return;
    KindSeconds mean = interval_.by_kind;
    for (TimeKind kind : kAllTimeKinds) mean[kind] /= static_cast<double>(interval_.steps);
    metrics.seconds = mean;
    if (run_.log != nullptr) run_.log->record(metrics);
    interval_ = Interval();
  }

  double share_of_peak(double tokens_per_second) const {
    if (run_.peak_flops <= 0) return std::numeric_limits<double>::quiet_NaN();
    double flops = tokens_per_second * training_flops_per_token(run_.config.model());
    return flops / (run_.peak_flops * static_cast<double>(run_.world.size()));
  }

  void save(bool end, bool stop) {
    int64_t every = settings_.checkpoint_every();
    bool due = every > 0 ? end || step_.value() % every == 0 : stop;
    if (!due) return;
    auto timer = breakdown_.measure(TimeKind::kCheckpoint);
    if (run_.log != nullptr) run_.log->sync();
    Manifest header = run_.identity;
    header.set_step(step_.value());
    header.set_tokens(step_.value() * tokens_per_step_);
    header.set_samples(step_.value() * settings_.global_batch());
    *header.mutable_config() = run_.config;
    record_counters(run_.step, run_.guard, header);
    run_.checkpoints.begin(header, training_state(run_.step), run_.side_files);
  }

  Training& run_;
  const RunSettings& settings_;
  Step step_, last_;
  int64_t tokens_per_step_;
  Breakdown breakdown_;
  Interval interval_;
  Scalars measured_;    // at this step
  double seconds_ = 0;  // of all steps
};

}  // namespace

Outcome train(Training& training, Step start) {
  give_unused_host_memory_back();
  return TrainLoop(training, start)();
}

}  // namespace sextant::trainer
