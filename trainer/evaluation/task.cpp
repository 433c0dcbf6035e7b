#include "trainer/evaluation/task.h"

#include <fmt/format.h>

#include <filesystem>
#include <utility>

#include "data/chat/conversations.h"
#include "data/text_pattern.h"
#include "parallel/base/error.h"
#include "trainer/evaluation/gold_option.h"
#include "trainer/evaluation/item_objects.h"
#include "trainer/evaluation/model_graded.h"
#include "trainer/evaluation/shots.h"
#include "trainer/evaluation/text_template.h"

namespace sextant::trainer {
namespace {

// An object put into words.
struct WordedItem {
  std::string question;
  std::vector<std::string> options;
  std::vector<int64_t> gold;
  std::string ending;  // what all options are followed by
  std::vector<std::string> ideals;
  std::string target;
};

std::vector<std::string> texts_at(const ItemObject& object, const std::string& field) {
  const ItemObject& list = field_at(object, field);
  if (!list.is_array())
    fail_input(fmt::format("the field '{}' is of type {}, not a list", field, list.type_name()));
  std::vector<std::string> texts;
  for (const ItemObject& entry : list) texts.push_back(text_of(entry, field));
  return texts;
}

bool is_right(const ItemObject& mark, const std::string& field) {
  if (mark.is_boolean()) return mark.get<bool>();
  if (!mark.is_number_integer() || (mark != 0 && mark != 1))
    fail_input(
        fmt::format("the field '{}' marks options with 1 (right) and 0; it holds {}", field, mark.dump()));
  return mark == 1;
}

// Puts the objects of one task into words.
class ItemWriter {
 public:
  explicit ItemWriter(const EvalTask& task)
      : task_(task),
        description_(task.description()),
        question_(task.prompt()),
        gold_(task.gold()),
        continuation_(task.continuation()),
        target_(task.target()),
        group_(task.group()),
        cluster_(task.cluster()) {
    if (judged()) spec_ = load_judge_spec(task.judge(), task.samples());
    if (task.has_program()) {
      size_t place = task.program().find(kCompletionField);
      program_.emplace_back(task.program().substr(0, place));
      program_.emplace_back(task.program().substr(place + kCompletionField.size()));
    }
    for (const std::string& choice : task.choices()) choices_.emplace_back(choice);
    for (const TextRule& rule : task.clean())
      clean_.emplace_back(data::TextPattern(rule.pattern()), rule.replacement());
  }

  WordedItem words(const ItemObject& object) const {
    WordedItem worded;
    worded.question = cleaned(question_.render(object));
    if (task_.kind() == EvalTask::multiple_choice) {
      read_options(object, worded);
      read_gold(object, worded);
      worded.ending = cleaned(continuation_.render(object));
      worded.target = worded.options[static_cast<size_t>(worded.gold[0])];
      return worded;
    }
    worded.target = cleaned(target_.render(object));
    if (task_.kind() == EvalTask::generation) read_ideals(object, worded);
    return worded;
  }

  // A solved example.
  std::string example(const WordedItem& worded) const {
    if (!continuation_.empty()) return worded.target + task_.delimiter() + worded.ending;
    return worded.question + task_.delimiter() + worded.target;
  }

  // Description, examples and question become the item's context.
  EvalItem item(const ItemObject& object, const WordedItem& worded, const std::string& examples) const {
    EvalItem item;
    item.group = group_.render(object);
    item.cluster = cluster_.render(object);
    item.gold = worded.gold;
    item.ideals = worded.ideals;
    std::string before = description_.render(object) + examples;
    item.prompt = before + worded.question;
    if (task_.has_messages_field()) read_messages(object, item);
    if (judged()) item.around_completion = judge_prompt(spec_, object, item.prompt);
    for (const TextTemplate& part : program_) item.around_completion.push_back(part.render(object));
    if (task_.chat()) item.messages = {{data::Role::kUser, item.prompt}};
    if (task_.kind() == EvalTask::log_likelihood) {
      std::string answer = task_.delimiter() + worded.target;
      item.options.push_back({item.prompt, answer, worded.target});
      item.gold = {0};
    }
    for (const std::string& option : worded.options) {
      if (continuation_.empty()) {
        item.options.push_back({item.prompt, task_.delimiter() + option, option});
      } else {
        item.options.push_back({before + option, task_.delimiter() + worded.ending, worded.ending});
      }
    }
    // Drawn examples are another item's only by chance.
    bool kept = task_.shots().count() == 0 || task_.shots().pick() == Shots::first;
    for (EvalOption& option : item.options) option.kept_bytes = kept ? before.size() : 0;
    return item;
  }

 private:
  const EvalTask& task_;
  TextTemplate description_, question_, gold_, continuation_, target_, group_, cluster_;
  std::vector<TextTemplate> program_;  // before and after the completion
  JudgeSpec spec_;
  std::vector<TextTemplate> choices_;
  std::vector<std::pair<data::TextPattern, std::string>> clean_;

  bool judged() const {
    return task_.kind() == EvalTask::generation && task_.grading() == EvalTask::model_graded;
  }

  std::string cleaned(std::string text) const {
    for (const auto& [pattern, replacement] : clean_) text = pattern.replace(text, replacement);
    return text;
  }

  void read_options(const ItemObject& object, WordedItem& worded) const {
    for (const TextTemplate& choice : choices_) worded.options.push_back(cleaned(choice.render(object)));
    if (task_.has_choices_field()) {
      const ItemObject& field = field_at(object, task_.choices_field());
      if (field.is_object()) {
        for (const auto& [text, mark] : field.items()) {
          if (is_right(mark, task_.choices_field())) worded.gold.push_back(std::ssize(worded.options));
          worded.options.push_back(cleaned(text));
        }
      } else {
        worded.options = texts_at(object, task_.choices_field());
        for (std::string& option : worded.options) option = cleaned(std::move(option));
      }
    }
    if (worded.options.size() < 2)
      fail_input(fmt::format("there are {} options; a choice needs two", worded.options.size()));
  }

  void read_gold(const ItemObject& object, WordedItem& worded) const {
    if (task_.has_right_field()) {
      const ItemObject& marks = field_at(object, task_.right_field());
      if (!marks.is_array() || marks.size() != worded.options.size()) {
        fail_input(fmt::format("the field '{}' holds {} marks, but there are {} options", task_.right_field(),
                               marks.is_array() ? marks.size() : 0, worded.options.size()));
      }
      for (size_t i = 0; i < marks.size(); ++i) {
        if (is_right(marks[i], task_.right_field())) worded.gold.push_back(static_cast<int64_t>(i));
      }
    } else if (!gold_.empty()) {
      std::vector<std::string> labels;
      if (task_.has_labels_field()) labels = texts_at(object, task_.labels_field());
      worded.gold = {gold_option(gold_.render(object), worded.options, labels, task_.gold_from())};
    }
    require(!worded.gold.empty(), "no option is right; give gold, right_field, or choices_field an object");
  }

  void read_messages(const ItemObject& object, EvalItem& item) const {
    const ItemObject& messages = field_at(object, task_.messages_field());
    if (messages.is_string()) {
      item.prompt = messages.get<std::string>();
      return;
    }
    item.messages = data::messages_of(nlohmann::json(messages));
    require(!item.messages.empty(), fmt::format("the field '{}' is an empty list", task_.messages_field()));
  }

  void read_ideals(const ItemObject& object, WordedItem& worded) const {
    if (task_.grading() == EvalTask::execution || task_.grading() == EvalTask::model_graded) return;
    if (!task_.has_ideals_field()) {
      worded.ideals = {worded.target};
      return;
    }
    const ItemObject& ideal = field_at(object, task_.ideals_field());
    worded.ideals = ideal.is_array() ? texts_at(object, task_.ideals_field())
                                     : std::vector<std::string>{text_of(ideal, task_.ideals_field())};
    require(!worded.ideals.empty(), fmt::format("the field '{}' is an empty list", task_.ideals_field()));
    worded.target = worded.ideals[0];
  }
};

// Runs `work`; what it says is wrong stands at `origin`.
template <class Work>
auto at_origin(const EvalTask& task, const std::string& origin, const Work& work) {
  try {
    return work();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kInput) throw;
    fail_input(fmt::format("{}: task {}: {}", origin, task.name(), error.what()));
  }
}

// The examples of a task, and which of them stand in front of an item.
class Examples {
 public:
  Examples(const EvalTask& task, const EvalSettings& settings, const ItemWriter& writer,
           const std::vector<SourceObject>& items)
      : task_(task), seed_(settings.seed()) {
    if (task.shots().count() == 0) return;
    bool other = task.shots().has_data();
    source_ = other ? ShotSource::kOtherFile : ShotSource::kOwnFile;
    std::vector<SourceObject> read;
    if (other)
      read = read_item_objects(std::filesystem::path(settings.data_folder()) / task.shots().data(), 0);
    for (const SourceObject& one : other ? read : items) {
      at_origin(task, one.origin, [&] {
        texts_.push_back(writer.example(writer.words(one.object)));
        kinds_.push_back(kind_of(one.object));
      });
    }
  }

  std::string in_front_of(size_t index, const ItemObject& object) const {
    std::string text;
    if (task_.shots().count() == 0) return text;
    for (size_t shot :
         choose_shots(task_.shots(), seed_, task_.name(), index, kind_of(object), kinds_, source_))
      text += texts_[shot] + task_.shots().separator();
    return text;
  }

 private:
  const EvalTask& task_;
  uint64_t seed_;
  ShotSource source_ = ShotSource::kOtherFile;
  std::vector<std::string> texts_, kinds_;

  std::string kind_of(const ItemObject& object) const {
    if (!task_.shots().has_same()) return "";
    return text_of(field_at(object, task_.shots().same()), task_.shots().same());
  }
};

}  // namespace

std::string put_around(const std::vector<std::string>& texts, const std::string& completion) {
  std::string whole;
  for (size_t i = 0; i < texts.size(); ++i) whole += (i == 0 ? "" : completion) + texts[i];
  return whole;
}

std::vector<EvalItem> read_items(const EvalTask& task, const EvalSettings& settings,
                                 const data::Tokenizer* tokenizer) {
  expect(tokenizer != nullptr || !task.has_shards(), "a tokenizer for shards");
  int64_t limit = task.limit();
  if (settings.limit() > 0 && (limit == 0 || settings.limit() < limit)) limit = settings.limit();
  // Examples out of the items' own file may be any of its lines.
  bool own_examples = task.shots().count() > 0 && !task.shots().has_data();
  int64_t wanted = own_examples ? 0 : limit;
  std::vector<SourceObject> objects =
      task.has_shards()
          ? read_item_shards(task.shards(), *tokenizer, wanted)
          : read_item_objects(std::filesystem::path(settings.data_folder()) / task.data(), wanted);
  ItemWriter writer(task);
  Examples examples(task, settings, writer, objects);
  if (limit > 0 && std::ssize(objects) > limit) objects.resize(static_cast<size_t>(limit));
  std::vector<EvalItem> items;
  for (size_t i = 0; i < objects.size(); ++i) {
    const SourceObject& source = objects[i];
    items.push_back(at_origin(task, source.origin, [&] {
      return writer.item(source.object, writer.words(source.object), examples.in_front_of(i, source.object));
    }));
    items.back().index = static_cast<int64_t>(i);
    items.back().origin = source.origin;
  }
  return items;
}

}  // namespace sextant::trainer
