#include "trainer/evaluation/load_eval.h"

#include <fmt/format.h>

#include <optional>
#include <string_view>

#include "data/durable_file.h"
#include "parallel/base/error.h"
#include "trainer/config/load.h"
#include "trainer/config/yaml.h"
#include "trainer/evaluation/task.h"

namespace sextant::trainer {
namespace {

constexpr uint64_t kLargestRegistry = uint64_t{256} << 10;  // as load_config has it

struct RegistryClass {
  std::string_view name;
  EvalTask::Grading grading;
};
constexpr RegistryClass kRegistryClasses[] = {
    {"evals.elsuite.basic.match:Match", EvalTask::match},
    {"evals.elsuite.basic.includes:Includes", EvalTask::includes},
    {"evals.elsuite.basic.fuzzy_match:FuzzyMatch", EvalTask::fuzzy_match},
    {"evals.elsuite.basic.json_match:JsonMatch", EvalTask::json_match},
    {"evals.elsuite.modelgraded.classify:ModelBasedClassify", EvalTask::model_graded}};

// A YAML file of OpenAI Evals' registry: names that lead by `id` to an entry with `class` and `args`.
class Registry {
 public:
  explicit Registry(const std::string& file) : file_(file) {
    std::vector<Complaint> complaints;
    root_ = parse_yaml(data::read_file(file, kLargestRegistry), file, complaints);
    check(complaints, Origins(file));
  }

  // What people call the evals: the names with an id.
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const YamlNode& entry : root_.children) {
      if (child(entry, "id") != nullptr) names.push_back(entry.key);
    }
    return names;
  }

  EvalTask task(const std::string& name) const {
    const YamlNode& entry = entry_of(name);
    const RegistryClass& kind = class_of(entry);
    EvalTask task;
    task.set_name(name);
    task.set_kind(EvalTask::generation);
    task.set_grading(kind.grading);
    task.set_messages_field("input");
    if (kind.grading != EvalTask::model_graded) task.set_ideals_field("ideal");
    const YamlNode* args = child(entry, "args");
    if (args == nullptr || child(*args, "samples_jsonl") == nullptr) fail(entry, "args has no samples_jsonl");
    for (const YamlNode& arg : args->children) set_argument(arg, kind.grading, task);
    if (kind.grading == EvalTask::model_graded && !task.judge().has_spec())
      fail(entry, "args has no modelgraded_spec");
    return task;
  }

 private:
  std::string file_;
  YamlNode root_;

  static const YamlNode* child(const YamlNode& node, std::string_view key) {
    for (const YamlNode& one : node.children) {
      if (one.key == key) return &one;
    }
    return nullptr;
  }

  [[noreturn]] void fail(const YamlNode& at, const std::string& what) const {
    fail_input(fmt::format("{}:{}: {}: {}", file_, at.key_line, at.key, what));
  }

  // Follows ids; each leads to another name, so there are no more than names.
  const YamlNode& entry_of(const std::string& name) const {
    std::string at = name;
    for (size_t step = 0; step <= root_.children.size(); ++step) {
      const YamlNode* entry = child(root_, at);
      if (entry == nullptr) fail_input(fmt::format("{}: there is no eval '{}'", file_, at));
      const YamlNode* id = child(*entry, "id");
      if (id == nullptr || child(*entry, "class") != nullptr) return *entry;
      at = id->text;
    }
    fail_input(fmt::format("{}: the ids of '{}' lead in a circle", file_, name));
  }

  const RegistryClass& class_of(const YamlNode& entry) const {
    const YamlNode* node = child(entry, "class");
    if (node == nullptr) fail(entry, "there is neither id nor class");
    std::string known;
    for (const RegistryClass& kind : kRegistryClasses) {
      if (kind.name == node->text) return kind;
      known += fmt::format("{}{}", known.empty() ? "" : ", ", kind.name);
    }
    fail(entry, fmt::format("class {} is not among those that can be graded here: {}", node->text, known));
  }

  void set_argument(const YamlNode& arg, EvalTask::Grading grading, EvalTask& task) const {
    if (arg.key == "samples_jsonl") return task.set_data(arg.text);
    if (arg.key == "ignore_case" && grading == EvalTask::includes)
      return task.set_ignore_case(arg.text == "true" || arg.text == "True");
    if (grading == EvalTask::model_graded && set_judge_argument(arg, *task.mutable_judge())) return;
    if (arg.key == "max_tokens" && is_count(arg.text)) return task.set_tokens(std::stoll(arg.text));
    if (arg.key == "multicomp_n" && grading == EvalTask::model_graded && is_count(arg.text)) {
      task.set_samples(std::stoll(arg.text));
      return task.set_temperature(task.samples() > 1 ? 1
                                                     : 0);  // what the API draws with where nothing is said
    }
    fail(arg, fmt::format("'{}' is not understood here", arg.text));
  }

  static bool is_count(const std::string& text) {
    return !text.empty() && text.size() < 7 && text.find_first_not_of("0123456789") == std::string::npos &&
           std::stoll(text) > 0;
  }

  // Specifications are in the registry's folder beside the evals'.
  bool set_judge_argument(const YamlNode& arg, JudgedBy& judge) const {
    if (arg.key == "eval_type") {
      JudgedBy::EvalType type = JudgedBy::from_spec;
      if (!JudgedBy::EvalType_Parse(arg.text, &type)) return false;
      judge.set_eval_type(type);
      return true;
    }
    if (arg.key != "modelgraded_spec" || arg.text.find('/') != std::string::npos) return false;
    std::filesystem::path registry = std::filesystem::absolute(file_).parent_path().parent_path();
    judge.set_spec((registry / "modelgraded" / (arg.text + ".yaml")).string());
    return true;
  }
};

void add_registry_tasks(EvalSettings& settings) {
  if (!settings.has_registry()) {
    require(settings.registry_evals().empty(),
            "eval.registry_evals are names out of eval.registry; give that file");
    return;
  }
  Registry registry(settings.registry());
  std::vector<std::string> names(settings.registry_evals().begin(), settings.registry_evals().end());
  if (names.empty()) names = registry.names();
  for (const std::string& name : names) *settings.add_tasks() = registry.task(name);
}

}  // namespace

EvalRun load_eval(const std::filesystem::path& file, const std::vector<std::string>& overrides,
                  Origins* origins) {
  EvalRun run;
  Origins places;
  if (origins == nullptr) origins = &places;
  load_config(file, overrides, run, origins);
  if (!run.eval().has_folder()) run.mutable_eval()->set_folder("runs/" + file.stem().string());
  add_registry_tasks(*run.mutable_eval());
  check(eval_complaints(run), *origins);
  return run;
}

}  // namespace sextant::trainer
