#pragma once

#include <CLI/CLI.hpp>

namespace sextant::launch {

// Each command stands in one file of this folder and adds its subcommand to `app`: options, help with an
// example, and a callback that does the work. A callback throws sextant::Error for what a user should see and
// CLI::RuntimeError(code) to leave with an exit code of its own.
void add_pretrain(CLI::App& app);
void add_sft(CLI::App& app);
void add_reward(CLI::App& app);
void add_dpo(CLI::App& app);
void add_ppo(CLI::App& app);  // ppo, grpo
void add_safety(CLI::App& app);
void add_rubric(CLI::App& app);  // fit
void add_generate(CLI::App& app);
void add_score(CLI::App& app);
void add_eval(CLI::App& app);
void add_report(CLI::App& app);
void add_verify(CLI::App& app);
void add_tokenizer(CLI::App& app);  // train, encode, decode, inspect
void add_data(CLI::App& app);       // build, inspect, contamination
void add_config(CLI::App& app);     // show, reference, schema
void add_plan(CLI::App& app);
void add_schedule(CLI::App& app);
void add_completion(CLI::App& app);
void add_scaling(CLI::App& app);  // coordinates, fit, task, ladder, predict, outcome

void add_checkpoint(CLI::App& app);  // launch/checkpoint.cpp

}  // namespace sextant::launch
