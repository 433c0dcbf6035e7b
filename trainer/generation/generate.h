#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "trainer/generation/sampling.h"
#include "trainer/passes.h"

namespace sextant::trainer {

// What came after one prompt.
struct Completion {
  std::vector<int32_t> ids;
  std::vector<double> log_probabilities;  // of each id under the model itself, before temperature and cuts
  bool ended = false;  // by a stop token (which is the last id) or stop_when, not by the length
};

struct GenerationSettings {
  SamplingSettings sampling;
  int64_t tokens = 64;               // at most so many after each prompt; the model's context limits them too
  int64_t rows = 32;                 // prompts side by side; where one ends, the next takes its row
  uint64_t seed = 0;                 // draw j of prompt i is a function of (seed, i, j)
  std::vector<uint64_t> numbers;     // what each prompt is called in draws; empty: its place, from 0
  std::vector<int32_t> stop_tokens;  // each ends a completion
  // Ranks whose passes meet, since they share out weights or experts, and that continue other prompts each:
  // all of them make as many passes. Null: this rank's prompts are those of all that it meets.
  parallel::Group* in_step = nullptr;
  // Asked after each token that is no stop token: true ends the completion, too. Equal on all ranks.
  std::function<bool(const std::vector<int32_t>& ids)> stop_when;
};

// Where the time of a generation went.
struct GenerationSpeed {
  int64_t prompt_tokens = 0;
  double prompt_seconds = 0;   // reading the prompts
  int64_t decoded_tokens = 0;  // all but the first of each prompt, which the reading of the prompt gives
  double decode_seconds = 0;
  int64_t steps = 0;  // passes that decoded them
};

// Called after each token: index of the prompt and the token.
using TokenCallback = std::function<void(size_t prompt, int32_t id)>;

// Continues prompts with a key-value cache of settings.rows rows. What follows a prompt depends neither on
// the other prompts nor on the rows: on a CPU in fp32 and bf16 not even its bits (docs/generation.md). Throws
// Error(kInput) for an empty prompt, an id outside the vocabulary or a prompt that fills the context. All
// ranks that hold the model must call, with equal arguments, and get the same; each calls its own `on_token`.
std::vector<Completion> generate(Passes& passes, const std::vector<std::vector<int32_t>>& prompts,
                                 const GenerationSettings& settings, const TokenCallback& on_token = {},
                                 GenerationSpeed* speed = nullptr);
// With a model that is whole on this rank.
std::vector<Completion> generate(const Transformer& model, const std::vector<std::vector<int32_t>>& prompts,
                                 const GenerationSettings& settings, const TokenCallback& on_token = {},
                                 GenerationSpeed* speed = nullptr);

}  // namespace sextant::trainer
