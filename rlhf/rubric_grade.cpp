#include "rlhf/rubric_grade.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "parallel/agreement.h"
#include "parallel/base/error.h"

namespace sextant::rlhf {
namespace {

constexpr size_t kTogether = 16;  // answers that a judge reads between two words on how far it is

using Labels = std::map<std::string, std::variant<bool, std::string>>;

bool is_negated(const std::string& condition) {
  return condition.starts_with('!');
}

std::string label_in(const std::string& condition) {
  return is_negated(condition) ? condition.substr(1) : condition;
}

bool holds(const OptionLabel& option, const Labels& labels) {
  return std::all_of(option.when().begin(), option.when().end(), [&](const std::string& condition) {
    auto found = labels.find(label_in(condition));
    const bool* truth = found == labels.end() ? nullptr : std::get_if<bool>(&found->second);
    return truth != nullptr && *truth != is_negated(condition);
  });
}

// The letter that is right for a question; none where nobody has said it.
std::optional<std::string> right_letter(const RubricGradeSettings& settings, const std::string& question,
                                        const Labels& labels) {
  auto own = labels.find(question);
  if (own != labels.end()) {
    const auto* letter = std::get_if<std::string>(&own->second);
    return letter == nullptr ? std::nullopt : std::optional(*letter);
  }
  for (const OptionLabel& option : settings.options()) {
    if (option.question() == question && holds(option, labels)) return option.letter();
  }
  return std::nullopt;
}

const Episode::Score* score_of(const Episode& episode, const std::string& source) {
  auto found = std::find_if(episode.scores().begin(), episode.scores().end(),
                            [&](const Episode::Score& score) { return score.source() == source; });
  return found == episode.scores().end() ? nullptr : &*found;
}

// What a source of yes and no made of an answer: 0 is yes.
SourceGrade grade_statement(const std::string& name, bool judged,
                            const std::vector<LabelledAnswer>& answers) {
  SourceGrade grade{name, {"yes", "no"}, Confusion(2), std::nullopt, {}, 0};
  std::vector<double> values;
  std::vector<bool> truths;
  for (const LabelledAnswer& answer : answers) {
    auto label = answer.labels.find(name);
    const bool* truth = label == answer.labels.end() ? nullptr : std::get_if<bool>(&label->second);
    const Episode::Score* score = score_of(answer.episode, name);
    if (truth == nullptr || score == nullptr) continue;
    bool unread = judged && !score->has_letter();
    size_t called = unread ? Confusion::kNothing : static_cast<size_t>(score->value() < 0.5);
    grade.confusion.add(*truth ? 0 : 1, called);
    grade.unread += unread;
    if (unread) continue;
    values.push_back(score->value());
    truths.push_back(*truth);
  }
  if (judged) {
    grade.area = area_under_curve(values, truths);
    double sum = std::accumulate(values.begin(), values.end(), 0.0);
    grade.mean_probabilities = {sum / std::max<double>(1, static_cast<double>(values.size()))};
  }
  return grade;
}

SourceGrade grade_question(const RubricGradeSettings& settings, const Question& question,
                           const std::vector<LabelledAnswer>& answers) {
  SourceGrade grade{question.name(), {}, Confusion(static_cast<size_t>(question.options_size())), {}, {}, 0};
  for (const Option& option : question.options()) grade.classes.push_back(option.letter());
  auto place = [&](const std::string& letter) {
    auto found = std::find(grade.classes.begin(), grade.classes.end(), letter);
    return static_cast<size_t>(found - grade.classes.begin());
  };
  for (const LabelledAnswer& answer : answers) {
    auto right = right_letter(settings, question.name(), answer.labels);
    const Episode::Score* score = score_of(answer.episode, question.name());
    if (!right || score == nullptr) continue;
    grade.confusion.add(place(*right), score->has_letter() ? place(score->letter()) : Confusion::kNothing);
    grade.unread += !score->has_letter();
    grade.mean_probabilities.resize(grade.classes.size());
    for (int i = 0; i < score->probabilities_size(); ++i)
      grade.mean_probabilities[static_cast<size_t>(i)] += score->probabilities(i);
  }
  auto read = static_cast<double>(grade.confusion.items() - grade.unread);
  for (double& mean : grade.mean_probabilities) mean /= std::max(read, 1.0);
  return grade;
}

void check_option(const OptionLabel& option, const Rubric& rubric, const std::set<std::string>& known) {
  auto question = std::find_if(rubric.questions().begin(), rubric.questions().end(),
                               [&](const Question& one) { return one.name() == option.question(); });
  require(question != rubric.questions().end(),
          fmt::format("grade.options: the rubric has no question {}", option.question()));
  require(std::any_of(question->options().begin(), question->options().end(),
                      [&](const Option& one) { return one.letter() == option.letter(); }),
          fmt::format("grade.options: question {} has no option {}", option.question(), option.letter()));
  for (const std::string& condition : option.when()) {
    require(known.contains(label_in(condition)),
            fmt::format("grade.options: no answer has a label {}; there are {}", label_in(condition),
                        fmt::join(known, ", ")));
  }
}

}  // namespace

void check_labels(const RubricGradeSettings& settings, const Rubric& rubric,
                  const std::vector<LabelledAnswer>& answers) {
  require(!answers.empty(), "grade.answers: no labelled answer is left");
  std::set<std::string> known;
  for (const LabelledAnswer& answer : answers) {
    for (const auto& [name, value] : answer.labels) known.insert(name);
  }
  for (const OptionLabel& option : settings.options()) check_option(option, rubric, known);
  for (const Question& question : rubric.questions()) {
    for (const LabelledAnswer& answer : answers) {
      auto right = right_letter(settings, question.name(), answer.labels);
      require(
          !right || std::any_of(question.options().begin(), question.options().end(),
                                [&](const Option& one) { return one.letter() == *right; }),
          fmt::format("grade.answers: an answer has the label {} of question {}, which has no such option",
                      right.value_or(""), question.name()));
    }
  }
  std::vector<std::string> names;
  for (const Rule& rule : rubric.rules()) names.push_back(rule.name());
  for (const Question& question : rubric.questions()) names.push_back(question.name());
  for (const Proposition& proposition : rubric.propositions()) names.push_back(proposition.name());
  require(
      std::any_of(names.begin(), names.end(),
                  [&](const std::string& name) {
                    return known.contains(name) ||
                           std::any_of(settings.options().begin(), settings.options().end(),
                                       [&](const OptionLabel& one) { return one.question() == name; });
                  }),
      fmt::format("nothing to compare: the rubric's sources are {}, the answers' labels {}; give both the "
                  "same names, or say in grade.options what a question's letters are",
                  fmt::join(names, ", "), fmt::join(known, ", ")));
}

void score_labelled(const RubricScorer& scorer, std::vector<LabelledAnswer>& answers,
                    const std::function<void(int64_t done, int64_t of)>& told, parallel::Group& world) {
  // In turn: neighbours in a file are often alike, and of like length.
  int64_t count = std::ssize(answers), rank = world.rank().value(), ranks = world.size();
  auto episode_of = [&](int64_t i) -> Episode& { return answers[static_cast<size_t>(i)].episode; };
  std::string bytes;
  parallel::together(world, [&] {
    Episode scores;  // of all of this rank's answers; response: how many of each
    std::vector<int64_t> own;
    for (int64_t i = rank; i < count; i += ranks) own.push_back(i);
    for (size_t first = 0; first < own.size(); first += kTogether) {
      std::vector<Episode> episodes;
      size_t last = std::min(own.size(), first + kTogether);
      for (size_t i = first; i < last; ++i) episodes.push_back(episode_of(own[i]));
      scorer.score(episodes);
      for (size_t i = first; i < last; ++i) {
        const Episode& scored = episode_of(own[i]) = std::move(episodes[i - first]);
        scores.mutable_scores()->MergeFrom(scored.scores());
        scores.add_response(scored.scores_size());
      }
      if (rank == 0) told(static_cast<int64_t>(last), std::ssize(own));
    }
    bytes = scores.SerializeAsString();
  });
  std::vector<std::string> parts = parallel::gather_bytes(world, bytes);
  for (int64_t from = 0; from < ranks; ++from) {
    if (from == rank) continue;
    Episode scores;
    expect(scores.ParseFromString(parts[static_cast<size_t>(from)]), "a rank's own scores");
    int next = 0;
    for (int64_t i = from; i < count; i += ranks) {
      for (int own = scores.response(static_cast<int>(i / ranks)); own > 0; --own)
        *episode_of(i).add_scores() = scores.scores(next++);
    }
  }
}

std::vector<SourceGrade> grade_sources(const RubricGradeSettings& settings, const Rubric& rubric,
                                       const std::vector<LabelledAnswer>& answers) {
  std::vector<SourceGrade> grades;
  for (const Rule& rule : rubric.rules()) grades.push_back(grade_statement(rule.name(), false, answers));
  for (const Question& question : rubric.questions())
    grades.push_back(grade_question(settings, question, answers));
  for (const Proposition& proposition : rubric.propositions())
    grades.push_back(grade_statement(proposition.name(), true, answers));
  std::erase_if(grades, [](const SourceGrade& grade) { return grade.confusion.items() == 0; });
  return grades;
}

std::string grade_table(const std::vector<SourceGrade>& grades) {
  std::string table = fmt::format("{:<36} {:>7} {:>9} {:>8} {:>9} {:>8} {:>8}\n", "", "answers", "precision",
                                  "recall", "F1", "AUC", "mean P");
  for (const SourceGrade& grade : grades) {
    const Confusion& found = grade.confusion;
    auto mean = [&](size_t which) {
      return which < grade.mean_probabilities.size() ? fmt::format("{:.4f}", grade.mean_probabilities[which])
                                                     : "";
    };
    auto line = [&](const std::string& name, const ClassScores& one, const std::string& area, size_t which) {
      table += fmt::format("{:<36} {:>7} {:>9.3f} {:>8.3f} {:>9.3f} {:>8} {:>8}\n", name, one.support,
                           one.precision, one.recall, one.f1, area, mean(which));
    };
    if (grade.classes.front() == "yes") {
      ClassScores yes = found.scores(0);
      std::string name = fmt::format("{} ({} yes)", grade.name, yes.support);
      yes.support = found.items();
      line(name, yes, grade.area ? fmt::format("{:.3f}", *grade.area) : "", 0);
    } else {
      table += fmt::format("{:<36} {:>7} {:>9} {:>8} {:>9.3f}\n", grade.name + ", mean of its classes",
                           found.items(), "", "", found.macro_f1());
      for (size_t i = 0; i < grade.classes.size(); ++i) line("  " + grade.classes[i], found.scores(i), "", i);
    }
    table += fmt::format("  accuracy {:.3f}; calling all of them the largest class has {:.3f}\n",
                         found.accuracy(), found.largest_share());
    if (grade.unread > 0)
      table +=
          fmt::format("  {} answers are longer than the judge's context and count as wrong\n", grade.unread);
  }
  return table;
}

std::string grade_lines(const std::vector<LabelledAnswer>& answers) {
  std::string lines;
  for (const LabelledAnswer& answer : answers) {
    nlohmann::ordered_json line{{"prompt", answer.episode.prompt_text()},
                                {"response", answer.episode.response_text()}};
    for (const auto& [name, value] : answer.labels)
      std::visit([&, &key = name](const auto& label) { line["labels"][key] = label; }, value);
    for (const Episode::Score& score : answer.episode.scores()) {
      nlohmann::ordered_json one{{"value", score.value()}};
      if (score.has_letter()) one["letter"] = score.letter();
      for (double probability : score.probabilities()) one["probabilities"].push_back(probability);
      line["scores"][score.source()] = one;
    }
    lines += line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  }
  return lines;
}

}  // namespace sextant::rlhf
