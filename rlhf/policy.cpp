#include "rlhf/policy.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

#include "data/permutation.h"
#include "parallel/agreement.h"
#include "parallel/base/seed.h"
#include "rlhf/answer_advantages.h"
#include "rlhf/episode_exchange.h"
#include "rlhf/episode_rows.h"
#include "rlhf/length_watch.h"
#include "rlhf/model_scores.h"
#include "rlhf/policy_counters.h"
#include "rlhf/ppo_losses.h"
#include "rlhf/ppo_rules.h"
#include "rlhf/rewards.h"
#include "rlhf/rollout.h"
#include "rlhf/shared_rows.h"
#include "rlhf/startup_checks.h"
#include "rlhf/step_summary.h"
#include "trainer/evaluation.h"
#include "trainer/metrics/device_memory.h"
#include "trainer/state.h"

namespace sextant::rlhf {
namespace {

std::vector<const Episode*> pointers(const std::vector<Episode>& episodes) {
  std::vector<const Episode*> all;
  all.reserve(episodes.size());
  for (const Episode& episode : episodes) all.push_back(&episode);
  return all;
}

// What the updates of a step did.
struct Updates {
  UpdateSums sums;                          // over all ranks
  double value_loss = 0, value_tokens = 0;  // sum over tokens, and these
  double loss = 0, grad_norm = 0, value_grad_norm = 0, learning_rate = 0;
  int64_t count = 0;
};

// Seconds of a step by phase.
struct Phases {
  double rollout = 0, rewards = 0, comparison = 0, updates = 0;
};

class PolicyLoop {
 public:
  PolicyLoop(PolicyTraining& training, Step start)
      : run_(training),
        settings_(training.settings.ppo()),
        common_(training.config.run()),
        step_(start),
        last_(common_.has_stop_at() ? std::min(common_.stop_at(), common_.steps()) : common_.steps()) {}

  trainer::Outcome operator()() {
    bool stop = false;
    measure_reference();
    while (step_ < last_ && !stop) {
      double before = trainer::steady_seconds();
      phases_ = Phases();
      std::vector<Episode> episodes = experience();
      if (step_.value() == 0) check_episodes(episodes);
      Updates updates = update(episodes);
      run_.average.update();
      double kl = mean_divergence(episodes);
      run_.kl.update(kl, static_cast<int64_t>(episodes.size()));
      ++step_;
      run_.checkpoints.poll();
      stop = agreed_stop();
      bool end = step_ == last_ || stop;
      record(episodes, updates, trainer::steady_seconds() - before, end, evaluate(end && !stop));
      save(end, stop);
    }
    run_.checkpoints.finish();
    if (run_.log != nullptr) run_.log->finish();
    return stop && step_ < last_ ? trainer::Outcome::kStopped : trainer::Outcome::kFinished;
  }

 private:
  bool agreed_stop() {
    return parallel::reduce_numbers(run_.world, {run_.stop_requested() ? 1.0 : 0.0},
                                    parallel::Reduce::kMax)[0] > 0;
  }

  parallel::Group& data() { return run_.policy.mesh().data(); }

  // Ranks that share out their weights or experts can pass through the model only together.
  parallel::Group* in_step() {
    const parallel::MeshSettings& mesh = run_.config.parallel();
    bool meets = mesh.zero_stage() == 3 || mesh.expert() > 1;
    return meets ? &run_.policy.mesh().replicas() : nullptr;
  }

  // The answers that this rank draws: its part of the data axis' share of the step. Context ranks hold the
  // same weights, and each draws whole answers.
  RolloutRange own_range() {
    const parallel::Group& context = run_.policy.mesh().context();
    int64_t share = settings_.episodes() / data().size(), first = data().rank().value() * share;
    int64_t begin = share * context.rank().value() / context.size();
    int64_t end = share * (context.rank().value() + 1) / context.size();
    return {step_.value(), first + begin, end - begin};
  }

  // Answers of the step, drawn and scored by the ranks whose share they are, and told to all: they are small
  // beside the models, and every layout goes on from the same ones.
  std::vector<Episode> experience() {
    double begin = trainer::steady_seconds();
    std::vector<Episode> drawn_here =
        draw_episodes(run_.policy.passes(), settings_, common_.seed(), run_.prompts, run_.form,
                      run_.tokenizer, own_range(), in_step());
    double drawn = trainer::steady_seconds();
    parallel::together(run_.world, [&] {
      if (run_.rubric != nullptr) run_.rubric->score(drawn_here);
    });
    std::vector<Episode> mine = gather_episodes(drawn_here, run_.policy.mesh().context());
    score(mine);
    double scored = trainer::steady_seconds();
    compare(mine);
    phases_.rollout = drawn - begin;
    phases_.rewards = scored - drawn;
    phases_.comparison = trainer::steady_seconds() - scored;
    std::vector<Episode> all = gather_episodes(mine, data());
    add_advantages(settings_, run_.kl.coefficient(), all);
    return all;
  }

  ScoringSettings scoring() const {
    return {common_.micro_batch(), run_.config.numerics().loss_chunk(), settings_.temperature()};
  }

  // The learned reward beside the rubric's.
  void score(std::vector<Episode>& mine) {
    std::vector<double> ends;
    if (run_.reward_model != nullptr) {
      FrozenModel::Use judged(*run_.reward_model);
      ends = end_scores(judged.passes(), pointers(mine), scoring());
    }
    double cap = run_.rubric == nullptr ? 0 : run_.rubric->rubric().cap();
    parallel::together(run_.world, [&] {
      for (size_t i = 0; i < mine.size(); ++i) {
        std::optional<double> model;
        if (!ends.empty()) model = ends[i];
        compose_rewards(run_.settings.rewards(), cap, model, mine[i]);
      }
    });
  }

  // Log-probabilities of policy and reference and values, all by training's forward pass.
  void compare(std::vector<Episode>& mine) {
    auto now = answer_log_probabilities(run_.policy.passes(), pointers(mine), scoring());
    auto before = reference_log_probabilities(mine);
    std::vector<std::vector<double>> values(mine.size());
    if (run_.value != nullptr) values = answer_values(run_.value->passes(), pointers(mine), scoring());
    for (size_t i = 0; i < mine.size(); ++i) {
      Episode& episode = mine[i];
      double gap = 0, sum = 0;
      for (int t = 0; t < episode.response_size(); ++t) {
        double apart = std::abs(episode.log_probabilities(t) - now[i][static_cast<size_t>(t)]);
        gap = std::max(gap, apart);
        sum += apart;
      }
      episode.set_sampling_gap(gap);
      episode.set_mean_sampling_gap(sum / std::max(episode.response_size(), 1));
      episode.mutable_log_probabilities()->Assign(now[i].begin(), now[i].end());
      episode.mutable_reference_log_probabilities()->Assign(before[i].begin(), before[i].end());
      episode.mutable_values()->Assign(values[i].begin(), values[i].end());
    }
  }

  std::vector<std::vector<double>> reference_log_probabilities(const std::vector<Episode>& mine) {
    FrozenModel::Use reference(run_.reference);
    return answer_log_probabilities(reference.passes(), pointers(mine), scoring());
  }

  void check_episodes(const std::vector<Episode>& episodes) {
    parallel::alike([&] {
      for (const std::string& line :
           check_first_episodes(episodes, run_.config.numerics().compute(), settings_.temperature()))
        tell(line);
      if (run_.value != nullptr) return;
      for (const std::string& line : check_groups(equal_groups(settings_, episodes))) tell(line);
    });
  }

  void tell(const std::string& line) {
    if (run_.log != nullptr) run_.log->note(line);
  }

  Updates update(const std::vector<Episode>& episodes) {
    double begin = trainer::steady_seconds();
    Updates updates;
    int64_t batches = settings_.episodes() / common_.global_batch();
    for (int64_t epoch = 0; epoch < settings_.epochs(); ++epoch) {
      RandomKey key(common_.seed(), "ppo minibatches");
      data::Permutation order(settings_.episodes(), key,
                              static_cast<uint64_t>(step_.value() * settings_.epochs() + epoch));
      for (int64_t batch = 0; batch < batches; ++batch) {
        std::vector<const Episode*> together;
        together.reserve(static_cast<size_t>(common_.global_batch()));
        for (int64_t i = 0; i < common_.global_batch(); ++i)
          together.push_back(&episodes[static_cast<size_t>(order(batch * common_.global_batch() + i))]);
        one_update(together, updates);
        if (step_.value() == 0 && updates.count == 1) check_update(updates, together);
      }
    }
    phases_.updates = trainer::steady_seconds() - begin;
    return updates;
  }

  // Policy and value model learn from the same episodes, of which this rank takes its slice.
  void one_update(const std::vector<const Episode*>& together, Updates& updates) {
    int64_t share = common_.global_batch() / data().size(), first = data().rank().value() * share;
    std::vector<const Episode*> mine(together.begin() + first, together.begin() + first + share);
    bool mixed = run_.pretraining != nullptr;
    int64_t time = mixed ? run_.config.model().context() : row_time(together, run_.policy.model());
    data::Batch batch = episode_rows(mine, time), more;
    double weight = 0;
    int64_t updates_before =
        (step_.value() * settings_.epochs()) * (settings_.episodes() / common_.global_batch());
    if (mixed) {
      more = run_.pretraining->batch(updates_before + updates.count);
      weight = mixing_weight(together, more);
    }
    UpdateSums sums;
    data::Batch all = batch;
    if (mixed) append_rows(all, more, weight);
    trainer::StepReport report = run_.policy.step().run(
        step_, all, common_.micro_batch(),
        policy_loss(settings_, run_.kl.coefficient(), run_.config.numerics().loss_chunk(), sums), breakdown_);
    run_.guard.observe(Step(step_.value() + 1), report.finite, report.loss, report.grad_norm);
    if (run_.value != nullptr) update_values(batch, updates);
    double counts = run_.policy.passes().adds_losses() ? 1 : 0;
    auto added = parallel::reduce_numbers(run_.world, {counts * sums.tokens, counts * sums.clipped});
    double furthest = parallel::reduce_numbers(run_.world, {sums.furthest}, parallel::Reduce::kMax)[0];
    updates.sums.tokens += added[0];
    updates.sums.clipped += added[1];
    updates.sums.furthest = std::max(updates.sums.furthest, furthest);
    updates.loss += report.loss;
    updates.grad_norm += report.grad_norm;
    updates.learning_rate = report.learning_rate;
    ++updates.count;
  }

  void update_values(const data::Batch& batch, Updates& updates) {
    trainer::StepReport value =
        run_.value->step().run(step_, batch, common_.micro_batch(), value_loss(settings_), breakdown_);
    run_.guard.observe(Step(step_.value() + 1), value.finite, value.loss, value.grad_norm);
    updates.value_loss += value.loss * value.count;
    updates.value_tokens += value.count;
    updates.value_grad_norm += value.grad_norm;
  }

  // A pretraining token's weight where losses are divided by what the answers' loss is a mean over:
  // coefficient over their mean.
  double mixing_weight(const std::vector<const Episode*>& together, const data::Batch& more) {
    double answers = 0, tokens = 0;
    for (const Episode* episode : together)
      answers += settings_.mean() == PpoSettings::tokens ? episode->response_size() : 1;
    for (float counts : more.loss_mask) tokens += static_cast<double>(counts);
    tokens = parallel::reduce_numbers(data(), {tokens})[0];
    return settings_.pretraining().coefficient() * answers / std::max(1.0, tokens);
  }

  void check_update(const Updates& updates, const std::vector<const Episode*>& together) {
    double squares = 0, tokens = 0;
    for (const Episode* episode : together) {
      for (double x : episode->returns()) squares += x * x;
      tokens += episode->response_size();
    }
    parallel::alike([&] {
      check_first_update(updates.sums, run_.config.numerics().compute());
      if (run_.value == nullptr) return;
      for (const std::string& line :
           check_first_values(updates.value_loss / updates.value_tokens, squares / tokens))
        tell(line);
    });
  }

  static double mean_divergence(const std::vector<Episode>& episodes) {
    double kl = 0;
    for (const Episode& episode : episodes)
      kl += divergence_of(episode) / static_cast<double>(episodes.size());
    return kl;
  }

  double held_out(trainer::Passes& passes) {
    return trainer::held_out_loss(passes, *run_.held_out.microbatches, run_.held_out.count,
                                  trainer::next_token_loss(run_.config.numerics().loss_chunk()), data(),
                                  run_.world);
  }

  // What is forgotten is measured from here.
  void measure_reference() {
    if (run_.held_out.microbatches == nullptr) return;
    FrozenModel::Use reference(run_.reference);
    reference_loss_ = held_out(reference.passes());
  }

  std::optional<double> evaluate(bool finished) {
    bool due = finished || (common_.evaluate_every() > 0 && step_.value() % common_.evaluate_every() == 0);
    if (!due || run_.held_out.microbatches == nullptr) return std::nullopt;
    return held_out(run_.policy.passes());
  }

  void record(const std::vector<Episode>& episodes, const Updates& updates, double seconds, bool end,
              std::optional<double> held_out) {
    double tokens = 0;
    for (const Episode& episode : episodes) tokens += episode.response_size();
    run_.tokens += static_cast<int64_t>(tokens);
    bool due = end || held_out || step_.value() % common_.log_every() == 0;
    auto count = static_cast<double>(updates.count);
    trainer::StepMetrics metrics;
    metrics.step = step_.value();
    metrics.tokens = run_.tokens;
    metrics.loss = updates.loss / count;
    metrics.grad_norm = updates.grad_norm / count;
    metrics.learning_rate = updates.learning_rate;
    metrics.step_seconds = seconds;
    metrics.tokens_per_second = tokens / seconds;
    metrics.mfu = std::numeric_limits<double>::quiet_NaN();
    metrics.valid_loss = held_out;
    metrics.skipped = run_.guard.in_a_row();
    auto memory = static_cast<double>(trainer::device_memory(run_.policy.model().parameters().device()));
    if (due) memory = parallel::reduce_numbers(run_.world, {memory}, parallel::Reduce::kMax)[0];
    metrics.memory_bytes = static_cast<int64_t>(memory);
    if (run_.log == nullptr) return;
    metrics.extra = episode_scalars(episodes);
    metrics.extra.emplace_back("clip_fraction", updates.sums.clipped / updates.sums.tokens);
    if (run_.value != nullptr) {
      metrics.extra.emplace_back("value_loss", updates.value_loss / updates.value_tokens);
      metrics.extra.emplace_back("value_grad_norm", updates.value_grad_norm / count);
    } else {
      metrics.extra.emplace_back("equal_groups", equal_groups(settings_, episodes));
    }
    if (held_out) metrics.extra.emplace_back("valid_loss_rise", *held_out - reference_loss_);
    metrics.extra.emplace_back("kl_coefficient", run_.kl.coefficient());
    metrics.extra.emplace_back("seconds_rollout", phases_.rollout);
    metrics.extra.emplace_back("seconds_rewards", phases_.rewards);
    metrics.extra.emplace_back("seconds_comparison", phases_.comparison);
    metrics.extra.emplace_back("seconds_updates", phases_.updates);
    run_.log->progress(metrics);
    watch_lengths(metrics.extra);
    if (!due) return;
    run_.log->record(metrics);
    auto shown = std::min<int64_t>(settings_.logged_episodes(), static_cast<int64_t>(episodes.size()));
    for (int64_t i = 0; i < shown; ++i)
      run_.episodes_log->append(episode_line(step_.value(), episodes[static_cast<size_t>(i)]));
  }

  void watch_lengths(const trainer::Scalars& scalars) {
    auto number = [&](std::string_view name) {
      auto found =
          std::find_if(scalars.begin(), scalars.end(), [&](const auto& one) { return one.first == name; });
      return found->second;
    };
    if (auto line = lengths_.observe(number("length_correlation"), number("response_length"))) tell(*line);
  }

  void save(bool end, bool stop) {
    int64_t every = common_.checkpoint_every();
    bool due = every > 0 ? end || step_.value() % every == 0 : stop;
    if (!due) return;
    if (run_.log != nullptr) run_.log->sync();
    trainer::Manifest header = run_.identity;
    header.set_step(step_.value());
    header.set_tokens(run_.tokens);
    header.set_samples(step_.value() * settings_.episodes());
    *header.mutable_config() = run_.config;
    trainer::record_counters(run_.policy.step(), run_.guard, header);
    record_policy(run_.value, run_.kl, header);
    run_.checkpoints.begin(header, policy_state(run_.policy, run_.value, run_.average), run_.side_files);
  }

  PolicyTraining& run_;
  const PpoSettings& settings_;
  const trainer::RunSettings& common_;
  Step step_, last_;
  trainer::Breakdown breakdown_;
  Phases phases_;
  LengthWatch lengths_;
  double reference_loss_ = 0;  // on held-out rows, where the run has them
};

}  // namespace

trainer::Outcome train_policy(PolicyTraining& training, Step start) {
  return PolicyLoop(training, start)();
}

}  // namespace sextant::rlhf
