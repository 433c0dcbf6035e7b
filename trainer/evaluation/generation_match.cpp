#include "trainer/evaluation/generation_match.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "parallel/base/error.h"
#include "trainer/evaluation/math_answer.h"

namespace sextant::trainer {
namespace {

constexpr const char* kNoAnswer = "[invalid]";  // lm-evaluation-harness' fallback

std::string lower_text(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

std::map<std::string, int64_t> word_counts(const std::string& text) {
  std::map<std::string, int64_t> counts;
  std::istringstream words(fuzzy_text(text));
  for (std::string word; words >> word;) ++counts[word];
  return counts;
}

int64_t total(const std::map<std::string, int64_t>& counts) {
  int64_t sum = 0;
  for (const auto& [word, count] : counts) sum += count;
  return sum;
}

bool same_json(const nlohmann::json& a, const nlohmann::json& b) {
  if (a.is_null() || b.is_null()) return false;
  if (a.is_object() && b.is_object()) {
    auto in_both = [](const nlohmann::json& one, const nlohmann::json& other) {
      return std::all_of(one.items().begin(), one.items().end(), [&](const auto& entry) {
        return other.contains(entry.key()) && same_json(entry.value(), other[entry.key()]);
      });
    };
    return in_both(a, b) && in_both(b, a);
  }
  if (a.is_array() && b.is_array())
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), same_json);
  // As in Python true is 1 and false is 0.
  if (a.is_boolean() && b.is_number()) return b == (a.get<bool>() ? 1 : 0);
  if (b.is_boolean() && a.is_number()) return a == (b.get<bool>() ? 1 : 0);
  return a == b;
}

data::TextPattern::Pick pick_of(const AnswerPattern& pattern) {
  return pattern.pick() == AnswerPattern::last ? data::TextPattern::Pick::kLast
                                               : data::TextPattern::Pick::kFirst;
}

std::string answer_metric(const AnswerPattern& pattern) {
  return pattern.name().empty() ? "exact_match" : "exact_match," + pattern.name();
}

}  // namespace

std::string stripped(const std::string& text) {
  constexpr const char* kSpace = " \t\r\n\f\v";
  size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
}

std::string fuzzy_text(const std::string& text) {
  std::string kept;
  for (char c : lower_text(text)) {
    auto byte = static_cast<unsigned char>(c);
    bool punctuation = byte > 32 && byte < 127 && !(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z');
    if (!punctuation) kept += c;
  }
  std::istringstream words(data::TextPattern("\\b(a|an|the)\\b").replace(kept, " "));
  std::string joined;
  for (std::string word; words >> word;) joined += (joined.empty() ? "" : " ") + word;
  return joined;
}

bool fuzzy_match(const std::string& a, const std::string& b) {
  std::string one = fuzzy_text(a), other = fuzzy_text(b);
  if (one.empty() || other.empty()) return one == other;
  return one.find(other) != std::string::npos || other.find(one) != std::string::npos;
}

double fuzzy_f1(const std::string& completion, const std::vector<std::string>& ideals) {
  auto said = word_counts(completion);
  double best = 0;
  for (const std::string& ideal : ideals) {
    auto wanted = word_counts(ideal);
    int64_t shared = 0;
    for (const auto& [word, count] : said) {
      auto found = wanted.find(word);
      if (found != wanted.end()) shared += std::min(count, found->second);
    }
    if (shared == 0) continue;
    double precision = static_cast<double>(shared) / static_cast<double>(total(said));
    double recall = static_cast<double>(shared) / static_cast<double>(total(wanted));
    best = std::max(best, 2 * precision * recall / (precision + recall));
  }
  return best;
}

bool json_match(const std::string& completion, const std::string& ideal) {
  auto wanted = nlohmann::json::parse(ideal, nullptr, false);
  require(!wanted.is_discarded(), fmt::format("the ideal '{}' is no JSON", ideal.substr(0, 60)));
  auto said = nlohmann::json::parse(completion, nullptr, false);
  return !said.is_discarded() && same_json(said, wanted);
}

std::string before_stop(const std::string& text, const std::vector<std::string>& stops) {
  size_t end = text.size();
  for (const std::string& stop : stops) end = std::min(end, text.find(stop));
  return text.substr(0, end);
}

CompletionGrader::CompletionGrader(const EvalTask& task) : task_(task) {
  for (const AnswerPattern& answer : task.answers()) answers_.emplace_back(answer.pattern());
  for (const std::string& pattern : task.ignore()) ignore_.emplace_back(pattern);
}

std::string CompletionGrader::normalised(std::string text) const {
  for (const data::TextPattern& pattern : ignore_) text = pattern.replace(text, "");
  return task_.ignore_case() ? lower_text(std::move(text)) : text;
}

std::vector<std::pair<std::string, std::string>> CompletionGrader::answers(
    const std::string& completion) const {
  if (task_.grading() != EvalTask::exact_match) return {};
  if (answers_.empty()) return {{"exact_match", completion}};
  std::vector<std::pair<std::string, std::string>> found;
  for (size_t i = 0; i < answers_.size(); ++i) {
    const AnswerPattern& pattern = task_.answers(static_cast<int>(i));
    auto answer = answers_[i].find(completion, pick_of(pattern));
    found.emplace_back(answer_metric(pattern), answer ? stripped(*answer) : kNoAnswer);
  }
  return found;
}

std::string CompletionGrader::code(const std::string& completion) const {
  if (answers_.empty()) return completion;
  return answers_[0].find(completion, pick_of(task_.answers(0))).value_or(completion);
}

Grades CompletionGrader::grade(const std::string& completion, const std::vector<std::string>& ideals) const {
  auto any = [&](const auto& right) { return std::any_of(ideals.begin(), ideals.end(), right) ? 1.0 : 0.0; };
  switch (task_.grading()) {
    case EvalTask::match:
      return {{"accuracy", any([&](const std::string& ideal) { return completion.starts_with(ideal); })}};
    case EvalTask::includes:
      return {
          {"accuracy", any([&](const std::string& ideal) {
             bool exact = !task_.ignore_case();
             return (exact ? completion : lower_text(completion)).find(exact ? ideal : lower_text(ideal)) !=
                    std::string::npos;
           })}};
    case EvalTask::fuzzy_match:
      return {{"accuracy", any([&](const std::string& ideal) { return fuzzy_match(completion, ideal); })},
              {"f1_score", fuzzy_f1(completion, ideals)}};
    case EvalTask::json_match:
      return {{"accuracy", any([&](const std::string& ideal) { return json_match(completion, ideal); })}};
    case EvalTask::math:
      return {{"accuracy", any([&](const std::string& ideal) { return math_match(completion, ideal); })}};
    case EvalTask::execution:
    case EvalTask::model_graded:
      expect(false, "a grading by looking at the text");
      break;
    case EvalTask::exact_match:
      break;
  }
  Grades grades;
  for (const auto& [metric, answer] : answers(completion)) {
    std::string said = normalised(answer);
    grades.emplace_back(metric, any([&](const std::string& ideal) { return said == normalised(ideal); }));
  }
  return grades;
}

}  // namespace sextant::trainer
