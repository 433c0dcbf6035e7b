#pragma once

#include <memory>
#include <string>

#include "rlhf/experience.pb.h"
#include "rlhf/rubric.pb.h"

namespace sextant::rlhf {

// A source of reward that needs no model, ready to be tried. One thread at a time.
class RuleTest {
 public:
  // Throws Error(kInput) when the rule lacks what its kind needs, or its pattern is wrong.
  explicit RuleTest(const Rule& rule);
  RuleTest(RuleTest&&) noexcept;
  ~RuleTest();

  // rule.reward where it holds for the episode's answer, else rule.otherwise.
  double operator()(const Episode& episode) const;
  const Rule& rule() const { return rule_; }

 private:
  struct Pattern;
  Rule rule_;
  std::unique_ptr<Pattern> pattern_;  // of regex

  bool holds(const Episode& episode) const;
};

// Whether a source with these classes scores a prompt of that class: empty means all.
template <class Classes>
bool applies(const Classes& classes, const std::string& kind) {
  if (classes.empty()) return true;
  for (const std::string& one : classes) {
    if (one == kind) return true;
  }
  return false;
}

}  // namespace sextant::rlhf
