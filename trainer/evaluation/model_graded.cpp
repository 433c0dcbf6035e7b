#include "trainer/evaluation/model_graded.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "data/chat/conversations.h"
#include "data/durable_file.h"
#include "parallel/base/error.h"
#include "trainer/config/yaml.h"

namespace sextant::trainer {
namespace {

constexpr uint64_t kLargestSpec = uint64_t{256} << 10;  // as load_config has it
constexpr const char* kInvalid = "__invalid__";
constexpr std::string_view kPunctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

// Where OpenAI Evals writes what, its wording of these is part of the measure: evals/elsuite/modelgraded.
std::string answer_words(JudgedBy::EvalType type) {
  switch (type) {
    case JudgedBy::classify:
      return "Answer the question by printing only a single choice from {choices} (without quotes or "
             "punctuation) corresponding to the correct answer with no other text.";
    case JudgedBy::classify_cot:
      return "First, answer by printing a single choice from {choices} (without quotes or punctuation) "
             "corresponding to the correct answer. Then, from the next line, explain your reasonings step by "
             "step.";
    case JudgedBy::cot_classify:
      return "First, write out in a step by step manner your reasoning to be sure that your conclusion is "
             "correct. Avoid simply stating the correct answer at the outset. Then print only a single "
             "choice "
             "from {choices} (without quotes or punctuation) on its own line corresponding to the correct "
             "answer. At the end, repeat just the answer by itself on a new line.\n\nReasoning:";
    case JudgedBy::from_spec:
      break;
  }
  return "";
}

const YamlNode* child(const YamlNode& node, std::string_view key) {
  auto found = std::find_if(node.children.begin(), node.children.end(),
                            [&](const auto& one) { return one.key == key; });
  return found == node.children.end() ? nullptr : &*found;
}

// The characters of a text, each as UTF-8.
std::vector<std::string> characters_of(const std::string& text) {
  std::vector<std::string> characters;
  for (char c : text) {
    bool continues = (static_cast<unsigned char>(c) & 0xC0) == 0x80;
    if (continues && !characters.empty()) {
      characters.back() += c;
    } else {
      characters.emplace_back(1, c);
    }
  }
  return characters;
}

// Python's format: calls `literal(c)` with each character, and `field(name)` for what stands in braces.
template <class Literal, class Field>
void read_format(const std::string& text, const std::string& file, const Literal& literal,
                 const Field& field) {
  for (size_t at = 0; at < text.size(); ++at) {
    bool twice = at + 1 < text.size() && text[at + 1] == text[at];
    if (text[at] != '{' && text[at] != '}') {
      literal(text[at]);
    } else if (twice) {
      literal(text[at++]);
    } else {
      size_t end = text[at] == '{' ? text.find('}', at) : std::string::npos;
      require(end != std::string::npos, file + ": a brace is without its partner");
      field(text.substr(at + 1, end - at - 1));
      at = end;
    }
  }
}

// The i-th of the letters from `first` on, as OpenAI Evals numbers answers with them.
std::string letter(char first, int64_t i) {
  return {static_cast<char>(first + i % 26)};
}

// Reads one specification.
class SpecReader {
 public:
  SpecReader(const JudgedBy& judged, const YamlNode& root, int64_t completions)
      : judged_(judged), root_(root) {
    spec_.file = judged.spec();
    spec_.completions = completions;
  }

  JudgeSpec read() {
    for (const YamlNode& node : root_.children) {
      if (node.key == "prompt") {
        if (node.kind != YamlNode::Kind::kScalar)
          fail(node, "give a text; lists of messages are not read here");
        spec_.prompt = node.text;
      } else if (node.key == "choice_strings") {
        read_choices(node);
      } else if (node.key == "eval_type") {
        read_type(node);
      } else if (node.key == "input_outputs") {
        read_pairs(node);
      } else if (node.key == "output_template") {
        spec_.sample_template = node.text;
      } else if (node.key == "completion_sample_templates") {
        if (node.children.size() != 1) fail(node, "give one template, of the completion");
        spec_.sample_template = node.children[0].text;
      } else if (node.key != "choice_scores" && node.key != "args" && node.key != "key" &&
                 node.key != "group") {
        fail(node, "this is not understood here");
      }
    }
    require(!spec_.prompt.empty() && !spec_.choices.empty(),
            fmt::format("{}: a specification needs prompt and choice_strings", spec_.file));
    require(spec_.completions == 1 || !spec_.sample_template.empty(),
            fmt::format("{}: of {} completions each needs its place; give completion_sample_templates, or "
                        "samples: 1 in the task",
                        spec_.file, spec_.completions));
    if (const YamlNode* scores = child(root_, "choice_scores")) read_scores(*scores);
    end_prompt();
    fill_arguments();
    return std::move(spec_);
  }

 private:
  const JudgedBy& judged_;
  const YamlNode& root_;
  JudgeSpec spec_;

  [[noreturn]] void fail(const YamlNode& at, const std::string& what) const {
    fail_input(fmt::format("{}:{}: {}: {}", spec_.file, at.key_line, at.key, what));
  }

  void read_pairs(const YamlNode& node) {
    if (node.children.empty()) fail(node, "give INPUT: COMPLETION");
    spec_.pairs.clear();
    for (const YamlNode& pair : node.children) spec_.pairs.push_back({pair.key, pair.text});
  }

  // The numbers of completions, from 1, or their letters.
  void number_choices(const YamlNode& node) {
    if (spec_.completions == 1)
      fail(node, "choices are the numbers of several completions; give the task samples: 2 or more");
    for (int64_t i = 0; i < spec_.completions; ++i) {
      spec_.choices.push_back(node.text == "from_n"       ? std::to_string(i + 1)
                              : node.text == "from_n_abc" ? letter('a', i)
                                                          : letter('A', i));
    }
  }

  void read_choices(const YamlNode& node) {
    if (node.text == "from_n" || node.text == "from_n_abc" || node.text == "from_n_ABC")
      return number_choices(node);
    if (node.kind == YamlNode::Kind::kScalar) spec_.choices = characters_of(node.text);
    for (const YamlNode& one : node.children) spec_.choices.push_back(one.text);
    for (const std::string& choice : spec_.choices) {
      if (choice.empty() || choice.find_first_of(kPunctuation) != std::string::npos)
        fail(node,
             fmt::format("the choice '{}' is empty or has punctuation, which is not looked at", choice));
    }
  }

  void read_type(const YamlNode& node) {
    if (!JudgedBy::EvalType_Parse(node.text, &spec_.type) || spec_.type == JudgedBy::from_spec)
      fail(node, fmt::format("'{}' is none of classify, classify_cot, cot_classify", node.text));
  }

  double number(const YamlNode& node, const std::string& text) const {
    double value = 0;
    auto end = std::from_chars(text.data(), text.data() + text.size(), value);
    if (end.ec != std::errc() || end.ptr != text.data() + text.size() || !std::isfinite(value))
      fail(node, fmt::format("'{}' is no number", text));
    return value;
  }

  void read_scores(const YamlNode& node) {
    if (node.kind == YamlNode::Kind::kScalar) {
      if (node.text != "from_strings") fail(node, "give a number for each choice, or from_strings");
      for (const std::string& choice : spec_.choices) spec_.scores[choice] = number(node, choice);
      return;
    }
    for (const YamlNode& one : node.children) spec_.scores[one.key] = number(one, one.text);
    for (const std::string& choice : spec_.choices) {
      if (!spec_.scores.contains(choice)) fail(node, fmt::format("the choice '{}' has no score", choice));
    }
  }

  // What the task's own eval_type adds.
  void end_prompt() {
    if (judged_.eval_type() == JudgedBy::from_spec) {
      require(
          spec_.type != JudgedBy::from_spec,
          fmt::format("{}: neither the specification nor the task says an eval_type; give judge.eval_type",
                      spec_.file));
      return;
    }
    spec_.type = judged_.eval_type();
    std::string choices;
    for (const std::string& choice : spec_.choices)
      choices += fmt::format("{}\"{}\"", choices.empty() ? "" : " or ", choice);
    std::string words = answer_words(spec_.type);
    spec_.prompt += "\n\n" + words.replace(words.find("{choices}"), 9, choices);
  }

  // args: texts by name that the prompt's fields of that name become: the one there is, or the one that the
  // task names.
  void fill_arguments() {
    const YamlNode* args = child(root_, "args");
    if (args == nullptr) {
      require(judged_.args().empty(), spec_.file + ": this specification takes no args");
      return;
    }
    for (const YamlNode& arg : args->children) {
      const YamlNode* value = arg.children.size() == 1 ? &arg.children[0] : nullptr;
      for (const std::string& given : judged_.args()) {
        if (given.starts_with(arg.key + "=")) value = child(arg, given.substr(arg.key.size() + 1));
      }
      if (value == nullptr) {
        std::string names;
        for (const YamlNode& one : arg.children) names += (names.empty() ? "" : ", ") + one.key;
        fail(arg, fmt::format("name one of these: judge.args=[{}=...]: {}", arg.key, names));
      }
      std::string field = "{" + arg.key + "}";
      for (size_t at = 0; (at = spec_.prompt.find(field, at)) != std::string::npos; at += value->text.size())
        spec_.prompt.replace(at, field.size(), value->text);
    }
  }
};

// A conversation as OpenAI Evals turns it into text: a single message as it stands, else a line each, with
// its speaker.
std::string conversation_text(const ItemObject& messages) {
  data::Conversation said = data::messages_of(nlohmann::json(messages));
  if (said.size() == 1) return said[0].content;
  std::string text;
  for (const data::Message& message : said) {
    const char* speaker = message.role == data::Role::kUser        ? "User: "
                          : message.role == data::Role::kAssistant ? "Assistant: "
                                                                   : "";
    text += speaker + message.content + "\n";
  }
  return text.substr(std::min(text.size(), text.find_first_not_of(" \t\r\n\f\v")));
}

std::string field_text(const JudgeSpec& spec, const ItemObject& object, const std::string& field,
                       const std::string& question) {
  auto found = object.find(field);
  if (found == object.end() && field == "n") return std::to_string(spec.completions);
  bool asked = std::any_of(spec.pairs.begin(), spec.pairs.end(),
                           [&](const auto& pair) { return field == pair.input; });
  if (found == object.end() && asked) return question;
  if (found == object.end())
    fail_input(fmt::format("the field '{}' is missing, which the prompt of {} names", field, spec.file));
  bool said = found->is_array() && !found->empty() && (*found)[0].is_object() && (*found)[0].contains("role");
  if (said) return conversation_text(*found);
  return found->is_array() ? found->dump() : text_of(*found, field);
}

}  // namespace

JudgeSpec load_judge_spec(const JudgedBy& judged, int64_t completions) {
  std::filesystem::path file = judged.spec();
  std::vector<Complaint> complaints;
  YamlNode root = parse_yaml(data::read_file(file, kLargestSpec), file, complaints);
  check(complaints, Origins(file));
  const YamlNode* named = child(root, file.stem().string());
  return SpecReader(judged, child(root, "prompt") == nullptr && named != nullptr ? *named : root, completions)
      .read();
}

std::vector<std::string> judge_prompt(const JudgeSpec& spec, const ItemObject& object,
                                      const std::string& question) {
  bool several = spec.pairs.size() > 1;
  std::string asked;  // the output whose place is the completion's
  std::vector<std::string> around{""};
  auto is_asked = [&](const std::string& field) {
    return std::any_of(spec.pairs.begin(), spec.pairs.end(), [&](const auto& pair) {
      return pair.output == field && !(several && object.contains(field));
    });
  };
  read_format(
      spec.prompt, spec.file, [&](char c) { around.back() += c; },
      [&](const std::string& field) {
        if (!is_asked(field)) {
          around.back() += field_text(spec, object, field, question);
          return;
        }
        if (!asked.empty() && asked != field)
          fail_input(
              fmt::format("{} wants both {} and {}; one is asked for, the other must stand in the item",
                          spec.file, asked, field));
        asked = field;
        around.emplace_back();
      });
  require(
      !several || !asked.empty(),
      fmt::format("all completions that {} names stand in the item; leave the one out that is to be asked "
                  "for",
                  spec.file));
  return around;
}

std::string judged_text(const JudgeSpec& spec, const std::vector<std::string>& answers) {
  if (spec.sample_template.empty()) return answers.at(0);
  std::string text;
  for (size_t i = 0; i < answers.size(); ++i) {
    read_format(
        spec.sample_template, spec.file, [&](char c) { text += c; },
        [&](const std::string& field) {
          auto number = static_cast<int64_t>(i);
          if (field == "i") {
            text += std::to_string(i + 1);
          } else if (field == "i_abc" || field == "i_ABC") {
            text += letter(field == "i_abc" ? 'a' : 'A', number);
          } else if (field == "n") {
            text += std::to_string(answers.size());
          } else if (field == "output") {
            text += answers[i];
          } else {
            fail_input(fmt::format("{}: a sample template has i, i_abc, i_ABC, n and output, not '{}'",
                                   spec.file, field));
          }
        });
  }
  return stripped(text);
}

std::string choice_in(const JudgeSpec& spec, const std::string& words) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin <= words.size();) {
    size_t end = std::min(words.find('\n', begin), words.size());
    lines.push_back(stripped(words.substr(begin, end - begin)));
    begin = end + 1;
  }
  if (spec.type == JudgedBy::cot_classify) std::reverse(lines.begin(), lines.end());
  for (std::string& line : lines) {
    std::erase_if(line, [](char c) { return kPunctuation.find(c) != std::string_view::npos; });
    if (line.empty()) continue;
    for (const std::string& choice : spec.choices) {
      if (line.starts_with(choice) || line.ends_with(choice)) return choice;
    }
  }
  return kInvalid;
}

Grades judge_grades(const JudgeSpec& spec, const std::string& choice) {
  Grades grades;
  if (!spec.scores.empty()) {
    double lowest = spec.scores.begin()->second;
    for (const auto& [name, score] : spec.scores) lowest = std::min(lowest, score);
    grades.emplace_back("score", choice == kInvalid ? lowest : spec.scores.at(choice));
  }
  grades.emplace_back("invalid", choice == kInvalid ? 1 : 0);
  for (const std::string& one : spec.choices) grades.emplace_back("choice/" + one, choice == one ? 1 : 0);
  return grades;
}

}  // namespace sextant::trainer
