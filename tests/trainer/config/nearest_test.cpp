#include "trainer/config/nearest.h"

#include <gtest/gtest.h>

namespace sextant::trainer::nearest_test {
namespace {

TEST(Nearest, CountsEdits) {
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("learning", "learning"), 0u);
  EXPECT_EQ(edit_distance("setps", "steps"), 1u);  // a swap is one edit
  EXPECT_EQ(edit_distance("ca", "abc"), 3u);       // optimal string alignment: no edit inside a swap
}

TEST(Nearest, FindsWhatWasMeant) {
  std::vector<std::string> keys = {"learning_rate", "weight_decay", "beta1", "beta2", "heads", "kv_heads"};
  EXPECT_EQ(nearest("lerning_rate", keys), "learning_rate");
  EXPECT_EQ(nearest("Learning-Rate", keys), "learning_rate");
  EXPECT_EQ(nearest("beta_2", keys), "beta2");
  EXPECT_EQ(nearest("n_heads", keys), "heads");
}

TEST(Nearest, SaysNothingWhereNothingIsNear) {
  EXPECT_EQ(nearest("dropout", {"learning_rate", "beta1"}), "");
  EXPECT_EQ(nearest("x", {"y", "width"}), "");
  EXPECT_EQ(nearest("", {"run"}), "");
  EXPECT_EQ(nearest(std::string(1'000'000, 'k'), {"run"}), "");
}

}  // namespace
}  // namespace sextant::trainer::nearest_test
