#include "trainer/config/context_rules.h"

#include <gtest/gtest.h>

#include "tests/trainer/config/config_text.h"

namespace sextant::trainer::context_rules_test {
namespace {

std::string refused(const std::string& yaml) {
  return refusal_of(with_needed(yaml), {}, 0);
}

TEST(ContextRules, SequencesAreCutIntoEqualPieces) {
  EXPECT_EQ(refused("model: {context: 1024}\nparallel: {context: 4}"), "");
  EXPECT_EQ(refused("model: {context: 1020}\nparallel: {context: 1}"), "");
  EXPECT_EQ(
      refused("model: {context: 1020}\nparallel: {context: 4}"),
      "x.yaml:3:21: parallel.context: sequences of model.context=1020 tokens can not be cut into 8 equal "
      "pieces (two for each of 4 context ranks, which 1 tensor rank shares); set model.context=1016 or "
      "1024");
  EXPECT_EQ(refused("model: {context: 1020}\nparallel: {context: 4, context_kind: ulysses}"), "");
  EXPECT_TRUE(holds(refused("model: {context: 4}\nparallel: {context: 4}"), "set model.context=8"));
}

TEST(ContextRules, UlyssesSharesHeads) {
  EXPECT_EQ(refused("model: {heads: 12}\nparallel: {context: 8}"), "");
  EXPECT_EQ(refused("model: {heads: 12}\nparallel: {context: 8, context_kind: ulysses}"),
            "x.yaml:3:38: parallel.context_kind: ulysses gives each rank whole heads, and 12 of model.heads "
            "can not be shared by parallel.context(8)*parallel.tensor(1)=8 ranks; set "
            "parallel.context_kind=ring");
}

}  // namespace
}  // namespace sextant::trainer::context_rules_test
