// batching_bench [ROUNDS [ROWS]]: answers of mixed lengths drawn with continuous batching and with static
// batches, in turn, in one run; the same answers either way. Seconds are processor time of one thread.
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <string>

#include "parallel/base/error.h"
#include "parallel/base/seed.h"
#include "trainer/generation/generate.h"
#include "trainer/model/initialise.h"
#include "trainer/model/model_rules.h"

namespace sextant::bench {
namespace {

using trainer::Completion;
using trainer::GenerationSettings;

constexpr size_t kPrompts = 96;
constexpr int64_t kShortest = 8, kLongest = 128, kMean = 40;

std::unique_ptr<trainer::Transformer> small_model() {
  trainer::ModelSettings settings;
  settings.set_layers(4);
  settings.set_width(256);
  settings.set_heads(4);
  settings.set_context(256);
  trainer::fill_model_defaults(settings, 4096);
  auto model = std::make_unique<trainer::Transformer>(settings, trainer::NumericsSettings::none,
                                                      trainer::Precision{at::kFloat, at::kFloat}, at::kCPU);
  trainer::initialise(model->parameters(), 1);
  return model;
}

// How long an answer becomes is said by its first token, which is drawn.
using LengthOf = std::function<int64_t(double share)>;

double share_of(int32_t first_token) {
  return RandomKey(3, "length of an answer").uniform(static_cast<uint64_t>(first_token), 0);
}

struct Kind {
  const char* name;
  LengthOf length;
};

const Kind kKinds[] = {
    {"uniform",
     [](double share) {
       return kShortest + std::llround(share * static_cast<double>(kLongest - kShortest));
     }},
    {"geometric",
     [](double share) {
       auto length = std::llround(-static_cast<double>(kMean) * std::log1p(-share));
       return std::clamp<int64_t>(length, 1, kLongest);
     }},
};

class Contest {
 public:
  Contest(const trainer::Transformer& model, const Kind& kind, int64_t rows) : model_(model), rows_(rows) {
    settings_.tokens = kLongest;
    settings_.rows = rows;
    settings_.stop_when = [&kind](const std::vector<int32_t>& ids) {
      return std::ssize(ids) >= kind.length(share_of(ids[0]));
    };
    for (size_t i = 0; i < kPrompts; ++i) {
      prompts_.emplace_back();
      for (size_t t = 0; t < 8 + i % 17; ++t)
        prompts_.back().push_back(static_cast<int32_t>((i * 131 + t * 17) % 4096));
    }
    wanted_ = trainer::generate(model_, prompts_, settings_);
  }

  void continuous() { expect_wanted(0, trainer::generate(model_, prompts_, settings_)); }

  // A batch of rows after the other; rows that have ended go on until the longest has.
  void static_batches() {
    each_batch([&](GenerationSettings settings, size_t first, size_t last) {
      settings.stop_when = nullptr;
      settings.tokens = 0;
      for (size_t i = first; i < last; ++i) settings.tokens = std::max(settings.tokens, length(i));
      return settings;
    });
  }

  // The same, but rows that have ended are left out of the passes.
  void shrinking_batches() {
    each_batch([](GenerationSettings settings, size_t, size_t) { return settings; });
  }

  double mean_length() const {
    double sum = 0;
    for (size_t i = 0; i < kPrompts; ++i) sum += static_cast<double>(length(i));
    return sum / kPrompts;
  }

 private:
  int64_t length(size_t prompt) const { return std::ssize(wanted_[prompt].ids); }

  void each_batch(const std::function<GenerationSettings(GenerationSettings, size_t, size_t)>& settings_of) {
    for (size_t first = 0; first < kPrompts; first += static_cast<size_t>(rows_)) {
      size_t last = std::min(kPrompts, first + static_cast<size_t>(rows_));
      GenerationSettings settings = settings_of(settings_, first, last);
      for (size_t i = first; i < last; ++i) settings.numbers.push_back(i);
      expect_wanted(first, trainer::generate(model_,
                                             {prompts_.begin() + std::ptrdiff_t(first),
                                              prompts_.begin() + std::ptrdiff_t(last)},
                                             settings));
    }
  }

  void expect_wanted(size_t first, const std::vector<Completion>& completions) const {
    for (size_t i = 0; i < completions.size(); ++i) {
      const auto& wanted = wanted_[first + i].ids;
      expect(std::equal(wanted.begin(), wanted.end(), completions[i].ids.begin()),
             "every way of batching draws the same answers");
    }
  }

  const trainer::Transformer& model_;
  int64_t rows_;
  GenerationSettings settings_;
  std::vector<std::vector<int32_t>> prompts_;
  std::vector<Completion> wanted_;
};

double seconds_of(const std::function<void()>& work) {
  std::clock_t begin = std::clock();
  work();
  return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void run(const trainer::Transformer& model, const Kind& kind, int rounds, int64_t rows) {
  Contest contest(model, kind, rows);
  std::vector<double> continuous, fixed, shrinking;  // ratios of a round to its continuous one
  for (int round = 0; round < rounds; ++round) {
    continuous.push_back(seconds_of([&] { contest.continuous(); }));
    fixed.push_back(seconds_of([&] { contest.static_batches(); }) / continuous.back());
    shrinking.push_back(seconds_of([&] { contest.shrinking_batches(); }) / continuous.back());
  }
  auto [low, high] = std::minmax_element(fixed.begin(), fixed.end());
  fmt::print(
      "{}: {} prompts, {} rows, answers of {:.1f} tokens on average, {} at most: continuous {:.2f} s\n",
      kind.name, kPrompts, rows, contest.mean_length(), kLongest, median(continuous));
  fmt::print("  static / continuous {:.2f} (from {:.2f} to {:.2f})\n", median(fixed), *low, *high);
  fmt::print("  static without rows that have ended / continuous {:.2f}\n", median(shrinking));
}

}  // namespace
}  // namespace sextant::bench

int main(int argc, char** argv) {
  at::set_num_threads(1);
  int rounds = argc > 1 ? std::atoi(argv[1]) : 5;
  int64_t rows = argc > 2 ? std::atoll(argv[2]) : 16;
  if (rounds < 1 || rows < 1) return 2;
  auto model = sextant::bench::small_model();
  for (const auto& kind : sextant::bench::kKinds) sextant::bench::run(*model, kind, rounds, rows);
  return 0;
}
