#include "trainer/generation/generate.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "parallel/base/error.h"
#include "trainer/generation/cached_rows.h"
#include "trainer/kernels/share_out.h"
#include "trainer/kernels/simd_memory.h"
#include "trainer/kernels/softmax.h"

namespace sextant::trainer {
namespace {

void check_prompts(const Transformer& model, const std::vector<std::vector<int32_t>>& prompts) {
  for (size_t i = 0; i < prompts.size(); ++i) {
    require(!prompts[i].empty(), fmt::format("prompt {} is empty; give it at least one token", i));
    auto length = static_cast<int64_t>(prompts[i].size());
    if (length >= model.settings().context()) {
      fail_input(fmt::format(
          "prompt {} has {} tokens, but the model's context is {}; shorten the prompt to {} or less", i,
          length, model.settings().context(), model.settings().context() - 1));
    }
    for (int32_t id : prompts[i]) {
      if (id < 0 || id >= model.settings().vocabulary()) {
        fail_input(fmt::format(
            "prompt {} holds id {}, but the model's vocabulary ends at {}; was the tokenizer made "
            "for this model?",
            i, id, model.settings().vocabulary() - 1));
      }
    }
  }
}

// log sum exp of each row, [B], in the type of the logits.
at::Tensor row_log_sum_exp(const at::Tensor& logits) {
  return fits_simd(logits) ? log_sum_exp(logits) : at::logsumexp(logits, -1);
}

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Tokens that the longest text may come to.
int64_t slots_for(const Transformer& model, const std::vector<std::vector<int32_t>>& prompts,
                  int64_t tokens) {
  size_t longest = 0;
  for (const auto& prompt : prompts) longest = std::max(longest, prompt.size());
  return std::min<int64_t>(model.settings().context(), static_cast<int64_t>(longest) + tokens);
}

// One generation under way. The prompts wait in their order for a free row.
class Decoding {
 public:
  Decoding(Passes& passes, const std::vector<std::vector<int32_t>>& prompts,
           const GenerationSettings& settings, const TokenCallback& on_token, GenerationSpeed& speed)
      : passes_(passes),
        prompts_(prompts),
        settings_(settings),
        on_token_(on_token),
        speed_(speed),
        key_(settings.seed, "generate"),
        slots_(slots_for(passes.model(), prompts, settings.tokens)),
        rows_(passes, std::min(settings.rows, static_cast<int64_t>(prompts.size())), slots_),
        completions_(prompts.size()) {}

  std::vector<Completion> operator()() {
    while (step()) {
    }
    return std::move(completions_);
  }

 private:
  // A token more for every row: those that go on read their newest one, free rows the prompts that wait.
  // False: there was nothing to do, here and on all ranks that go in step.
  bool step() {
    double begin = seconds_now();
    std::vector<at::Tensor> hidden;
    size_t going_on = prompt_of_.size();
    auto next = next_prompts();
    Turn turn = most_of_all({going_on > 0 ? 1 : 0, rows_.reads_for(std::ssize(next))});
    if (turn.appends + turn.reads == 0) return false;
    if (going_on > 0) hidden.push_back(rows_.append(newest(going_on)));
    if (going_on == 0 && turn.appends > 0) rows_.idle();
    double read = seconds_now();
    if (!next.empty()) hidden.push_back(rows_.read(next));
    for (int64_t i = rows_.reads_for(std::ssize(next)); i < turn.reads; ++i) rows_.idle();
    double choose = seconds_now();
    if (hidden.empty()) return true;
    choose_tokens(passes_.logits(at::cat(hidden)));
    release_ended();
    speed_.steps += going_on > 0 ? 1 : 0;
    speed_.decoded_tokens += static_cast<int64_t>(going_on);
    speed_.prompt_seconds += choose - read;
    speed_.decode_seconds += read - begin;
    (going_on > 0 ? speed_.decode_seconds : speed_.prompt_seconds) += seconds_now() - choose;
    return true;
  }

  // Passes of one step.
  struct Turn {
    int64_t appends = 0, reads = 0;
  };

  Turn most_of_all(Turn mine) const {
    if (settings_.in_step == nullptr) return mine;
    auto most = parallel::reduce_numbers(*settings_.in_step,
                                         {static_cast<double>(mine.appends), static_cast<double>(mine.reads)},
                                         parallel::Reduce::kMax);
    return {std::llround(most[0]), std::llround(most[1])};
  }

  std::vector<int32_t> newest(size_t rows) const {
    std::vector<int32_t> tokens;
    tokens.reserve(rows);
    for (size_t row = 0; row < rows; ++row) tokens.push_back(completions_[prompt_of_[row]].ids.back());
    return tokens;
  }

  std::vector<const std::vector<int32_t>*> next_prompts() {
    std::vector<const std::vector<int32_t>*> next;
    for (int64_t free = rows_.free(); free > 0 && waiting_ < prompts_.size(); --free) {
      next.push_back(&prompts_[waiting_]);
      prompt_of_.push_back(waiting_++);
    }
    return next;
  }

  // logits [rows, V] fp32 or fp64, of the token that comes next in each row.
  void choose_tokens(const at::Tensor& logits) {
    std::vector<int64_t> chosen = agreed(choose_ids(logits));
    at::Tensor ids = at::tensor(chosen, at::kLong).to(logits.device());
    at::Tensor log_probabilities = logits.gather(1, ids.unsqueeze(1)).squeeze(1).to(at::kDouble) -
                                   row_log_sum_exp(logits).to(at::kDouble);  // [rows]
    log_probabilities = log_probabilities.to(at::kCPU);
    auto log_probability = log_probabilities.accessor<double, 1>();
    for (size_t row = 0; row < chosen.size(); ++row) {
      Completion& completion = completions_[prompt_of_[row]];
      auto id = static_cast<int32_t>(chosen[row]);
      completion.ids.push_back(id);
      completion.log_probabilities.push_back(log_probability[static_cast<int64_t>(row)]);
      completion.ended = is_stop(id) || (settings_.stop_when && settings_.stop_when(completion.ids));
      if (on_token_) on_token_(prompt_of_[row], id);
    }
  }

  bool is_stop(int32_t id) const {
    return std::find(settings_.stop_tokens.begin(), settings_.stop_tokens.end(), id) !=
           settings_.stop_tokens.end();
  }

  // From the last row on, so that what moves into a row's place goes on.
  void release_ended() {
    for (size_t row = prompt_of_.size(); row-- > 0;) {
      if (!done(prompt_of_[row])) continue;
      rows_.release(static_cast<int64_t>(row));
      prompt_of_[row] = prompt_of_.back();
      prompt_of_.pop_back();
    }
  }

  bool done(size_t prompt) const {
    auto made = static_cast<int64_t>(completions_[prompt].ids.size());
    return completions_[prompt].ended || made >= settings_.tokens ||
           static_cast<int64_t>(prompts_[prompt].size()) + made >= slots_;
  }

  // Ranks that share experts and continue the same prompts have all of their tokens in one product, whose
  // rows may round differently: the first rank's choice holds for all, so that they go on together.
  std::vector<int64_t> agreed(const std::vector<int64_t>& chosen) const {
    parallel::Group* expert = passes_.model().part().expert;
    if (expert == nullptr || settings_.in_step != nullptr) return chosen;
    at::Tensor ids = at::tensor(chosen, at::kLong);
    expert->broadcast(ids, Rank(0));
    return {ids.data_ptr<int64_t>(), ids.data_ptr<int64_t>() + ids.numel()};
  }

  // The number from [0, 1) that decides a prompt's next token.
  double uniform(size_t prompt) const {
    uint64_t number = settings_.numbers.empty() ? prompt : settings_.numbers[prompt];
    return key_.uniform(number, completions_[prompt].ids.size());
  }

  std::vector<int64_t> choose_ids(const at::Tensor& on_device) const {
    if (settings_.sampling.temperature <= 0) {
      at::Tensor ids = at::argmax(on_device, -1).to(at::kCPU);
      return {ids.data_ptr<int64_t>(), ids.data_ptr<int64_t>() + ids.numel()};
    }
    std::vector<int64_t> chosen(prompt_of_.size());
    at::Tensor logits = on_device.to(at::kCPU).contiguous();
    int64_t vocabulary = logits.size(1);
    share_out(0, logits.size(0), 1, [&](int64_t first, int64_t last) {
      for (int64_t row = first; row < last; ++row) {
        auto index = static_cast<size_t>(row);
        double number = uniform(prompt_of_[index]);
        chosen[index] = logits.scalar_type() == at::kDouble
                            ? trainer::choose(logits.data_ptr<double>() + row * vocabulary, vocabulary,
                                              settings_.sampling, number)
                            : trainer::choose(logits.data_ptr<float>() + row * vocabulary, vocabulary,
                                              settings_.sampling, number);
      }
    });
    return chosen;
  }

  Passes& passes_;
  const std::vector<std::vector<int32_t>>& prompts_;
  const GenerationSettings& settings_;
  const TokenCallback& on_token_;
  GenerationSpeed& speed_;
  RandomKey key_;
  int64_t slots_;
  CachedRows rows_;
  std::vector<Completion> completions_;
  std::vector<size_t> prompt_of_;  // which prompt each row in use continues
  size_t waiting_ = 0;             // the first prompt that has had no row yet
};

}  // namespace

std::vector<Completion> generate(Passes& passes, const std::vector<std::vector<int32_t>>& prompts,
                                 const GenerationSettings& settings, const TokenCallback& on_token,
                                 GenerationSpeed* speed) {
  c10::InferenceMode inference;
  GenerationSpeed measured;
  if (speed == nullptr) speed = &measured;
  *speed = GenerationSpeed();
  expect(settings.tokens > 0 && settings.rows > 0, "a prompt has a row and gets a token");
  expect(settings.numbers.empty() || settings.numbers.size() == prompts.size(), "each prompt has a number");
  if (prompts.empty() && settings.in_step == nullptr) return {};
  check_prompts(passes.model(), prompts);
  for (const auto& prompt : prompts) speed->prompt_tokens += static_cast<int64_t>(prompt.size());
  return Decoding(passes, prompts, settings, on_token, *speed)();
}

std::vector<Completion> generate(const Transformer& model, const std::vector<std::vector<int32_t>>& prompts,
                                 const GenerationSettings& settings, const TokenCallback& on_token,
                                 GenerationSpeed* speed) {
  Passes alone(model);
  return generate(alone, prompts, settings, on_token, speed);
}

}  // namespace sextant::trainer
