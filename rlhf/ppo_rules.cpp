#include "rlhf/ppo_rules.h"

#include <fmt/format.h>

#include "parallel/base/error.h"
#include "rlhf/frozen_model.h"
#include "trainer/config/context_rules.h"
#include "trainer/model/stages.h"
#include "trainer/model/tensor_rules.h"

namespace sextant::rlhf {

std::vector<trainer::Complaint> ppo_complaints(const PpoRun& settings) {
  std::vector<trainer::Complaint> found;
  const PpoSettings& ppo = settings.ppo();
  int64_t batch = settings.run().global_batch();
  if (!settings.run().has_start_from())
    found.push_back({"run.start_from",
                     "is needed: the policy starts from a model that answers, such as the run folder "
                     "of sextant sft"});
  if (ppo.episodes() % batch != 0) {
    found.push_back(
        {"ppo.episodes", fmt::format("{} is no multiple of run.global_batch={}; set ppo.episodes={}",
                                     ppo.episodes(), batch, (ppo.episodes() / batch + 1) * batch)});
  }
  if (ppo.episodes() % ppo.answers_per_prompt() != 0) {
    found.push_back({"ppo.episodes", fmt::format("{} is no multiple of ppo.answers_per_prompt={}",
                                                 ppo.episodes(), ppo.answers_per_prompt())});
  }
  if (!has_values(ppo) && ppo.answers_per_prompt() < 2) {
    found.push_back(
        {"ppo.answers_per_prompt", fmt::format("ppo.advantages={} compares answers to the same prompt; set "
                                               "ppo.answers_per_prompt=8, or more",
                                               PpoSettings::Advantages_Name(ppo.advantages()))});
  }
  if (ppo.kl().place() == KlSettings::loss && ppo.kl().estimator() == KlSettings::k1) {
    found.push_back(
        {"ppo.kl.estimator",
         "the gradient of k1 is 0 on average, so that it keeps nothing near; with ppo.kl.place=loss "
         "set ppo.kl.estimator=k3"});
  }
  if (!settings.rewards().has_model() && !settings.rewards().has_rubric())
    found.push_back({"rewards", "nothing is rewarded; give rewards.rubric or rewards.model"});
  if (ppo.pretraining().rows_per_episode() > 0 && settings.data().train_size() == 0)
    found.push_back(
        {"ppo.pretraining.rows_per_episode", "there is nothing to mix in; give data.train, or set it to 0"});
  if (settings.model().has_context() && settings.model().context() <= ppo.response_tokens()) {
    found.push_back({"ppo.response_tokens", fmt::format("{} leaves no place for prompts in model.context={}",
                                                        ppo.response_tokens(), settings.model().context())});
  }
  if (settings.numerics().tensor_blocks() > 1) {
    found.push_back({"numerics.tensor_blocks",
                     "the reference's probabilities are computed without blocks, so that the first KL would "
                     "not be 0; leave it out"});
  }
  return found;
}

bool has_values(const PpoSettings& settings) {
  return settings.advantages() == PpoSettings::generalised;
}

void check_reward_model(const trainer::CheckpointReader& reward, const trainer::Run& policy,
                        uint64_t tokenizer_fingerprint) {
  const trainer::Run& config = reward.manifest().config();
  std::string folder = reward.folder().string();
  require(config.model().head() == trainer::ModelSettings::scalar,
          fmt::format("rewards.model: {} predicts tokens and gives no score; train one with sextant reward",
                      folder));
  require(
      reward.manifest().tokenizer_fingerprint() == tokenizer_fingerprint,
      fmt::format(
          "rewards.model: {} was trained with a tokenizer that gives other ids than data.tokenizer; train a "
          "reward model with the policy's tokenizer",
          folder));
  require(
      config.model().context() >= policy.model().context(),
      fmt::format("rewards.model: {} reads {} tokens, but the policy's context is {}; set model.context={}",
                  folder, config.model().context(), policy.model().context(), config.model().context()));
  trainer::Run beside = policy;
  *beside.mutable_model() = config.model();
  beside.mutable_model()->set_context(policy.model().context());
  *beside.mutable_parallel() = mesh_beside(policy, config.model());
  for (const auto& found :
       {trainer::stage_complaints(beside.model(), beside.parallel()),
        trainer::tensor_complaints(beside.model(), beside.parallel()), trainer::context_complaints(beside)}) {
    if (!found.empty())
      fail_input(fmt::format("rewards.model: {}: {}: {}", folder, found[0].key, found[0].what));
  }
}

trainer::Run value_run(const PpoRun& settings, const trainer::Run& policy,
                       const trainer::CheckpointReader* reward) {
  trainer::Run run = policy;
  if (reward != nullptr) *run.mutable_model() = reward->manifest().config().model();
  run.mutable_model()->set_head(trainer::ModelSettings::scalar);
  *run.mutable_parallel() = mesh_beside(policy, run.model());
  run.mutable_optimizer()->set_learning_rate(settings.ppo().value_learning_rate());
  return run;
}

}  // namespace sextant::rlhf
