#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "launch/commands.h"
#include "launch/ranks.h"
#include "launch/version.h"
#include "parallel/base/error.h"
#include "trainer/kernels/instruction_set.h"

int main(int argc, char** argv) {
  CLI::App app{"Sextant pretrains GPT-class language models over many machines with plain mpirun."};
  app.name("sextant");
  app.require_subcommand(1);
  // Before any work: a SEXTANT_SIMD that this processor has not would else be met in the middle of it.
  app.parse_complete_callback([] { sextant::trainer::instruction_set(); });
  app.set_version_flag("--version", sextant::launch::version_text, "Version, commit, build and libraries");
  sextant::launch::add_pretrain(app);
  sextant::launch::add_sft(app);
  sextant::launch::add_reward(app);
  sextant::launch::add_dpo(app);
  sextant::launch::add_ppo(app);
  sextant::launch::add_safety(app);
  sextant::launch::add_rubric(app);
  sextant::launch::add_generate(app);
  sextant::launch::add_score(app);
  sextant::launch::add_eval(app);
  sextant::launch::add_report(app);
  sextant::launch::add_verify(app);
  sextant::launch::add_tokenizer(app);
  sextant::launch::add_data(app);
  sextant::launch::add_config(app);
  sextant::launch::add_plan(app);
  sextant::launch::add_schedule(app);
  sextant::launch::add_completion(app);
  sextant::launch::add_scaling(app);
  sextant::launch::add_checkpoint(app);
  try {
    // CLI11 takes what follows the program's name in reverse.
    std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
    std::ranges::reverse(words);
    app.parse(std::move(words));
  } catch (const CLI::ParseError& error) {
    int code = app.exit(error);
    return code == 0 || dynamic_cast<const CLI::RuntimeError*>(&error) != nullptr ? code : 2;
  } catch (const sextant::Error& error) {
    sextant::launch::report_before_ranks_meet(error);
    return sextant::exit_code(error.kind());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sextant: internal error: %s\n", error.what());
    return 1;
  }
  return 0;
}
