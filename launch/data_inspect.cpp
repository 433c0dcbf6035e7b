#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "data/shard_summary.h"
#include "data/token_shard.h"
#include "data/tokenizer/tokenizer.h"
#include "launch/data.h"
#include "launch/tokenizer_choice.h"

namespace sextant::launch {
namespace {

struct DataInspectOptions {
  std::string prefix;
  TokenizerChoice tokenizer;
  int64_t samples = 3;
  int64_t sample_tokens = 48;
  bool as_json = false;
  bool verify = false;
};

// The beginning of a document.
struct Sample {
  int64_t document;
  int64_t tokens;            // of the whole document
  std::vector<int64_t> ids;  // the first of them
  std::optional<std::string> text;
};

Sample take_sample(const data::TokenShard& shard, int64_t document, int64_t most,
                   const std::optional<data::Tokenizer>& tokenizer) {
  int64_t begin = shard.document_begin(document);
  Sample sample{document, shard.document_begin(document + 1) - begin, {}, {}};
  sample.ids.resize(static_cast<size_t>(std::min(most, sample.tokens)));
  shard.read(begin, sample.ids);
  if (tokenizer) {
    shard.check_vocabulary(begin, sample.ids, tokenizer->vocabulary());
    sample.text = tokenizer->decode(std::vector<int32_t>(sample.ids.begin(), sample.ids.end()));
  }
  return sample;
}

// Dumped so that bytes which are no UTF-8 (a character cut at the sample's end) do not stop it.
std::string dump(const nlohmann::ordered_json& value, int indent) {
  return value.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

void print_json(const data::TokenShard& shard, const data::ShardSummary& summary,
                const std::vector<Sample>& samples) {
  nlohmann::ordered_json out{
      {"prefix", shard.prefix().string()},     {"documents", summary.documents},
      {"sequences", summary.sequences},        {"tokens", summary.tokens},
      {"type", data::name_of(shard.type())},   {"empty_documents", summary.empty_documents},
      {"shortest_document", summary.shortest}, {"mean_document", summary.mean},
      {"longest_document", summary.longest},   {"checksums", shard.has_checksums()}};
  if (shard.highest_id()) out["highest_id"] = *shard.highest_id();
  out["samples"] = nlohmann::ordered_json::array();
  for (const Sample& sample : samples) {
    nlohmann::ordered_json one{{"document", sample.document}, {"tokens", sample.tokens}, {"ids", sample.ids}};
    if (sample.text) one["text"] = *sample.text;
    out["samples"].push_back(one);
  }
  fmt::print("{}\n", dump(out, 2));
}

void print_table(const data::TokenShard& shard, const data::ShardSummary& summary,
                 const std::vector<Sample>& samples) {
  fmt::print("{}\n  documents  {}", shard.prefix().string(), summary.documents);
  if (summary.empty_documents > 0) fmt::print(" ({} empty)", summary.empty_documents);
  fmt::print("\n  sequences  {}\n  tokens     {} ({})\n", summary.sequences, summary.tokens,
             data::name_of(shard.type()));
  fmt::print("  lengths    shortest {}, mean {:.1f}, longest {}\n", summary.shortest, summary.mean,
             summary.longest);
  fmt::print("  checksums  {}\n",
             shard.has_checksums() ? "yes" : "none: damage inside the .bin goes unnoticed");
  for (const Sample& sample : samples) {
    fmt::print("\ndocument {}, {} of {} tokens:\n", sample.document, sample.ids.size(), sample.tokens);
    fmt::print("  {}\n",
               sample.text ? dump(*sample.text, -1) : fmt::format("{}", fmt::join(sample.ids, " ")));
  }
}

void inspect(const DataInspectOptions& options) {
  std::optional<data::Tokenizer> tokenizer;
  if (!options.tokenizer.file.empty()) tokenizer = options.tokenizer.load();
  data::TokenShard shard(options.prefix);
  if (options.verify) shard.verify();
  std::vector<Sample> samples;
  for (int64_t document : data::sample_documents(shard, options.samples)) {
    samples.push_back(take_sample(shard, document, options.sample_tokens, tokenizer));
  }
  data::ShardSummary summary = data::summarize(shard);
  options.as_json ? print_json(shard, summary, samples) : print_table(shard, summary, samples);
}

}  // namespace

void add_data_inspect(CLI::App& data) {
  auto options = std::make_shared<DataInspectOptions>();
  CLI::App* command =
      data.add_subcommand("inspect", "Show a token shard's counts and some of its documents.");
  command->add_option("prefix", options->prefix, "PREFIX of the shard, without .bin or .idx")->required();
  options->tokenizer.add_to(
      *command, "What to decode samples with: a tokenizer.json, a folder or a .tiktoken file; without: ids");
  command->add_option("--samples", options->samples, "Documents to show")
      ->check(CLI::Range(int64_t{0}, int64_t{1000000}))
      ->capture_default_str();
  command->add_option("--sample-tokens", options->sample_tokens, "Tokens to show of each")
      ->check(CLI::Range(int64_t{1}, int64_t{1000000}))
      ->capture_default_str();
  command->add_flag("--json", options->as_json, "Print one JSON object");
  command->add_flag("--verify", options->verify, "Compare every byte of the .bin with its checksum first");
  command->footer(
      "Example:\n"
      "  sextant data inspect corpus/train --tokenizer tokenizer.json --samples 5");
  command->callback([options] { inspect(*options); });
}

}  // namespace sextant::launch
