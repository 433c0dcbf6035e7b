#include <fmt/format.h>

#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/contamination/file_pieces.h"
#include "data/contamination/report.h"
#include "data/contamination/shard_pieces.h"
#include "data/durable_file.h"
#include "launch/data.h"
#include "launch/tokenizer_choice.h"
#include "parallel/base/error.h"

namespace sextant::launch {
namespace {

using Substrings = data::NeedleSettings::Substrings;

struct ContaminationOptions {
  std::vector<std::string> evals, fields, shards, texts;
  TokenizerChoice tokenizer;
  data::DocumentSettings documents;
  data::NeedleSettings needles;
  int threads = 0;
  std::string samples, task, metric, output;
  bool json = false, no_words = false;
};

void check_options(const ContaminationOptions& options) {
  require(!options.shards.empty() || !options.texts.empty(),
          "there is no training text; give shards with --train PREFIX, or files with --text FILE");
  require(options.shards.empty() || !options.tokenizer.file.empty(),
          "--train shards are decoded by the tokenizer that made them; say --tokenizer");
  require(options.samples.empty() || options.evals.size() == 1,
          "--samples are of one eval file, but several are given; run them one by one");
  require((options.task.empty() && options.metric.empty()) || !options.samples.empty(),
          "--task and --metric belong to --samples");
  require(options.needles.substrings != Substrings::kNone || !options.no_words,
          "--substrings none and --no-words leave nothing to look for");
}

void search_evals(ContaminationOptions options) {
  check_options(options);
  options.needles.words = !options.no_words;
  std::optional<data::Tokenizer> tokenizer;
  if (!options.shards.empty()) tokenizer = options.tokenizer.load();
  data::ContaminationReport report;
  report.evals = options.evals;
  report.settings = options.needles;
  report.items = data::read_eval_items({options.evals.begin(), options.evals.end()}, options.fields);
  std::vector<data::OpenPieces> sources;
  for (const std::string& prefix : options.shards) {
    report.sources.push_back(prefix);
    sources.emplace_back([prefix, &tokenizer] { return data::open_shard_pieces(prefix, *tokenizer); });
  }
  for (const std::string& file : options.texts) {
    report.sources.push_back(file);
    sources.emplace_back([file, &options] { return data::open_file_pieces(file, options.documents); });
  }
  report.result = data::find_overlaps(report.items, sources, options.needles, options.threads);
  if (!options.samples.empty()) {
    report.scores = data::read_scores(options.samples, options.task, options.metric, report.contaminated());
  }
  constexpr size_t kMostTold = 20;
  if (!options.output.empty()) data::write_file(options.output, data::contamination_json(report));
  std::string text =
      options.json ? data::contamination_json(report) : data::contamination_text(report, kMostTold);
  std::fwrite(text.data(), 1, text.size(), stdout);
}

void add_training_text(CLI::App& command, ContaminationOptions& options) {
  command.add_option("--train", options.shards, "PREFIX of each token shard of the training data");
  options.tokenizer.add_to(command, "What the shards were encoded with");
  command.add_option("--text", options.texts,
                     "Files of training text or JSON lines, as data build reads them");
  command.add_option("--json-key", options.documents.json_key, "Key of the text in JSON lines of --text")
      ->capture_default_str();
  command
      .add_option(
          "--new-document-at", options.documents.new_document_at,
          "In text files of --text, a line in which this regular expression is found begins a document")
      ->type_name("REGEX");
}

}  // namespace

void add_data_contamination(CLI::App& data) {
  auto options = std::make_shared<ContaminationOptions>();
  CLI::App* command =
      data.add_subcommand("contamination", "Say which items of an eval stand in the training text");
  command->add_option("evals", options->evals, "JSON lines, an item a line")->required();
  command->add_option("--field", options->fields, "Keys of an item's texts, such as question,choices")
      ->delimiter(',')
      ->required();
  add_training_text(*command, *options);
  command
      ->add_option("--substrings", options->needles.substrings,
                   "Of 50 characters: three random ones of an item, as for GPT-4, all of them, or none")
      ->transform(CLI::CheckedTransformer(std::map<std::string, Substrings>{
          {"three", Substrings::kThree}, {"all", Substrings::kAll}, {"none", Substrings::kNone}}));
  command->add_flag("--no-words", options->no_words, "Do not look for 13-grams of words");
  command->add_option("--seed", options->needles.seed, "Of the random substrings")->capture_default_str();
  command->add_option("--threads", options->threads, "Threads; 0: one a core")
      ->check(CLI::Range(0, 4096))
      ->capture_default_str();
  command->add_option("--samples", options->samples,
                      "samples.jsonl of an eval: its score with and without the contaminated items");
  command->add_option("--task", options->task, "The task of these samples, where there are several");
  command->add_option("--metric", options->metric, "Of grades by metric, such as acc; else their first");
  command->add_option("--output", options->output, "Write the JSON report to this file");
  command->add_flag("--json", options->json, "Print the JSON report");
  command->footer(
      "Examples:\n"
      "  sextant data contamination mmlu.jsonl --field question,choices --train corpus/train --tokenizer "
      "t.json\n"
      "  sextant data contamination arc.jsonl --field query --text books.txt.gz --substrings all --json");
  command->callback([options] { search_evals(*options); });
}

}  // namespace sextant::launch
