#include "trainer/scaling/fit.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <thread>

#include "parallel/base/error.h"
#include "parallel/base/seed.h"

namespace sextant::trainer {
namespace {

constexpr int kScreeningSteps = 8;

// work(i) for every i below `count`, dealt out to threads.
void for_each_index(size_t count, int threads, const std::function<void(size_t)>& work) {
  size_t workers = std::min<size_t>(std::max(threads, 1), std::max<size_t>(count, 1));
  auto deal = [&](size_t worker) {
    for (size_t i = worker; i < count; i += workers) work(i);
  };
  std::vector<std::thread> others;
  for (size_t worker = 1; worker < workers; ++worker) others.emplace_back(deal, worker);
  deal(0);
  for (std::thread& other : others) other.join();
}

// At most so many of the points, evenly over the order of y.
LogPoints thinned(const LogPoints& points, size_t most) {
  std::vector<size_t> order(points.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return points.log_y[a] < points.log_y[b]; });
  LogPoints fewer;
  fewer.log_x.resize(points.log_x.size());
  size_t count = std::min(most, points.size());
  for (size_t i = 0; i < count; ++i) {
    size_t from = order[i * points.size() / count];
    for (size_t term = 0; term < points.log_x.size(); ++term) {
      fewer.log_x[term].push_back(points.log_x[term][from]);
    }
    fewer.log_y.push_back(points.log_y[from]);
  }
  return fewer;
}

// The starts as they are after a few steps, the best first.
std::vector<Minimum> screened(const PowerLaw& law, const LogPoints& points,
                              const std::vector<Parameters>& starts, int threads) {
  const LogPoints few = thinned(points, kScreeningPoints);
  const HuberOfLogs objective(law, few);
  const Bounds bounds = law_bounds(law);
  std::vector<Minimum> begun(starts.size());
  for_each_index(starts.size(), threads,
                 [&](size_t i) { begun[i] = minimise(objective, bounds, starts[i], kScreeningSteps); });
  auto rank = [](const Minimum& m) {
    return std::isfinite(m.value) ? m.value : std::numeric_limits<double>::infinity();
  };
  std::stable_sort(begun.begin(), begun.end(),
                   [&](const Minimum& a, const Minimum& b) { return rank(a) < rank(b); });
  return begun;
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

}  // namespace

std::vector<Parameters> chinchilla_starts() {
  std::vector<Parameters> starts;
  for (int alpha = 0; alpha <= 4; ++alpha) {
    for (int beta = 0; beta <= 4; ++beta) {
      for (int e = -2; e <= 2; ++e) {
        for (int a = 0; a <= 5; ++a) {
          for (int b = 0; b <= 5; ++b) starts.push_back({5.0 * a, 5.0 * b, alpha / 2.0, beta / 2.0, e / 2.0});
        }
      }
    }
  }
  return starts;
}

std::vector<Parameters> one_power_starts(const PowerLaw& law, const LogPoints& points) {
  expect(law.terms == 1 && points.size() > 0, "one power and a point");
  double log_x = mean(points.log_x[0]), log_y = mean(points.log_y);
  double lowest = *std::min_element(points.log_y.begin(), points.log_y.end());
  std::vector<double> shares = {0};
  if (law.floor == PowerLaw::Floor::kConstant) shares = {1e-3, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99};
  std::vector<Parameters> starts;
  for (double exponent : {0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0}) {
    for (double share : shares) {
      double above = std::exp(log_y) - share * std::exp(lowest);
      Parameters start{};
      start[law.coefficient(0)] = std::log(std::max(above, 1e-3 * std::exp(log_y))) + exponent * log_x;
      start[law.exponent(0)] = exponent;
      if (share > 0) start[law.constant()] = lowest + std::log(share);
      starts.push_back(start);
    }
  }
  return starts;
}

std::vector<Parameters> joined_starts(const LogPoints& points) {
  expect(points.log_x.size() == 2 && points.size() > 0, "two variables and a point");
  double log_n = mean(points.log_x[0]), log_d = mean(points.log_x[1]), log_y = mean(points.log_y);
  std::vector<Parameters> starts;
  for (double whole : {0.05, 0.1, 0.2, 0.3, 0.5, 1.0}) {
    for (double exponent : {0.2, 0.4, 0.6, 0.8, 1.0, 1.5}) {
      for (double share : {0.1, 0.3, 0.5, 0.7, 0.9}) {
        starts.push_back({std::log(share) + log_y / whole + exponent * log_n,
                          std::log(1 - share) + log_y / whole + log_d, exponent, whole});
      }
    }
  }
  return starts;
}

Bounds law_bounds(const PowerLaw& law) {
  Bounds bounds;
  for (int term = 0; term < law.terms; ++term) {
    bounds.lower[law.coefficient(term)] = -100;
    bounds.upper[law.coefficient(term)] = 300;
    bounds.lower[law.exponent(term)] = 0;
    bounds.upper[law.exponent(term)] = 5;
  }
  if (law.floor == PowerLaw::Floor::kConstant) {
    bounds.lower[law.constant()] = -30;
    bounds.upper[law.constant()] = 30;
  }
  return bounds;
}

Minimum fit(const PowerLaw& law, const LogPoints& points, const std::vector<Parameters>& starts,
            int threads) {
  expect(!starts.empty() && points.size() > 0, "a fit wants points and starts");
  std::vector<Minimum> finalists = screened(law, points, starts, threads);
  finalists.resize(std::min(kFinalists, finalists.size()));
  const HuberOfLogs objective(law, points);
  const Bounds bounds = law_bounds(law);
  for_each_index(finalists.size(), threads,
                 [&](size_t i) { finalists[i] = minimise(objective, bounds, finalists[i].at); });
  return *std::min_element(finalists.begin(), finalists.end(), [](const Minimum& a, const Minimum& b) {
    return std::isfinite(a.value) && !(a.value >= b.value);
  });
}

std::vector<Parameters> bootstrap(const PowerLaw& law, const LogPoints& points, const Parameters& best,
                                  size_t draws, uint64_t seed, int threads) {
  const RandomKey random(seed, "scaling bootstrap");
  const Bounds bounds = law_bounds(law);
  std::vector<Parameters> fits(draws);
  for_each_index(draws, threads, [&](size_t draw) {
    std::vector<double> weights(points.size(), 0.0);
    for (size_t i = 0; i < points.size(); ++i) weights[random.below(points.size(), draw, i)] += 1;
    HuberOfLogs objective(law, points, HuberOfLogs::kDelta, std::move(weights));
    // A draw moves the parameters by percents: a value to nine digits is far finer.
    fits[draw] = minimise(objective, bounds, best, 200, 1e-9).at;
  });
  return fits;
}

}  // namespace sextant::trainer
