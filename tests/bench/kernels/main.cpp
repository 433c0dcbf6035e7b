// kernel_bench [ROUNDS] [NAME]: each CPU kernel against ATen and against the machine's limits, in one run.
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <cstdlib>
#include <string>

#include "tests/bench/kernels/measure.h"

int main(int count, char** arguments) {
  using namespace sextant::bench;
  at::NoGradGuard no_gradient;
  int rounds = count > 1 ? std::atoi(arguments[1]) : 9;
  std::string wanted = count > 2 ? arguments[2] : "";
  Limits limits = measure_limits();
  print_header(limits);
  for (const auto& contests : {row_contests(), attention_contests(), optimizer_contests(), product_contests(),
                               generation_contests()}) {
    for (const Contest& contest : contests) {
      if (contest.name.find(wanted) != std::string::npos) run(contest, limits, rounds > 0 ? rounds : 1);
    }
  }
  return 0;
}
