#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "data/shard_build.h"
#include "launch/data.h"
#include "launch/tokenizer_choice.h"

namespace sextant::launch {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// 1234567 -> "1.23M".
std::string short_number(double value) {
  for (const char* unit : {"", "k", "M", "G"}) {
    if (value < 1000) return fmt::format("{:.{}f}{}", value, *unit == 0 ? 0 : value < 10 ? 2 : 1, unit);
    value /= 1000;
  }
  return fmt::format("{:.2f}T", value);
}

// Shows a build's progress on stderr: a bar on a terminal, else a plain line every ten seconds.
class ProgressBar {
 public:
  void show(const data::BuildProgress& progress) {
    double now = seconds_since(start_);
    if (now - shown_ < (on_terminal_ ? 0.2 : 10.0)) return;
    shown_ = now;
    std::string line = describe(progress, now);
    if (on_terminal_) {
      fmt::print(stderr, "\r{}\033[K", line);
      std::fflush(stderr);
      drawn_ = true;
    } else {
      fmt::print(stderr, "{}\n", line);
    }
  }
  ~ProgressBar() {
    if (drawn_) fmt::print(stderr, "\r\033[K");
  }
  double seconds() const { return seconds_since(start_); }

 private:
  Clock::time_point start_ = Clock::now();
  bool on_terminal_ = ::isatty(STDERR_FILENO) == 1;
  bool drawn_ = false;
  double shown_ = 0;

  std::string describe(const data::BuildProgress& progress, double seconds) const {
    std::string counts =
        fmt::format("{} documents, {} tokens, {}B/s", short_number(static_cast<double>(progress.documents)),
                    short_number(static_cast<double>(progress.tokens)),
                    short_number(static_cast<double>(progress.text_bytes) / seconds));
    if (progress.bytes_total == 0) return counts;
    double done =
        std::min(1.0, static_cast<double>(progress.bytes_read) / static_cast<double>(progress.bytes_total));
    auto left = static_cast<int64_t>(seconds / std::max(done, 1e-6) - seconds);
    constexpr size_t kWidth = 24;
    std::string bar(static_cast<size_t>(done * kWidth), '#');
    bar.resize(kWidth, '.');
    return fmt::format("[{}] {:3.0f} %  {}, {}:{:02} left", bar, 100 * done, counts, left / 60, left % 60);
  }
};

struct BuildOptions {
  TokenizerChoice tokenizer;
  std::string output;
  std::vector<std::string> files;
  data::BuildSettings build;
  bool no_end_of_text = false;
};

std::string sums_of(const std::string& prefix, int64_t documents, int64_t tokens) {
  return fmt::format("{}: {} documents, {} tokens\n", prefix, documents, tokens);
}

void build(const BuildOptions& options) {
  data::Tokenizer tokenizer = options.tokenizer.load();
  warn_of_missing_bytes(tokenizer);
  data::BuildSettings settings = options.build;
  settings.output = options.output;
  settings.end = options.no_end_of_text ? data::DocumentEnd::kNothing : data::DocumentEnd::kEndOfText;
  std::vector<std::filesystem::path> files(options.files.begin(), options.files.end());

  data::BuildProgress done;
  double seconds = 0;
  {
    ProgressBar bar;
    done = data::build_shards(files, tokenizer, settings, [&](const auto& progress) { bar.show(progress); });
    seconds = bar.seconds();
  }
  fmt::print("{}",
             sums_of(options.output, done.documents - done.valid_documents, done.tokens - done.valid_tokens));
  if (done.valid_documents > 0) {
    fmt::print("{}", sums_of(options.output + "_valid", done.valid_documents, done.valid_tokens));
  }
  fmt::print("{}B of text in {:.1f} s, {}B/s, {:.2f} bytes a token\n",
             short_number(static_cast<double>(done.text_bytes)), seconds,
             short_number(static_cast<double>(done.text_bytes) / seconds),
             static_cast<double>(done.text_bytes) / static_cast<double>(done.tokens));
}

}  // namespace

void add_data_build(CLI::App& data) {
  auto options = std::make_shared<BuildOptions>();
  data::BuildSettings& build_settings = options->build;
  CLI::App* command =
      data.add_subcommand("build", "Encode documents into a token shard: PREFIX.bin and PREFIX.idx.");
  options->tokenizer
      .add_to(*command, "What to encode with: a tokenizer.json, a folder that holds one, or a .tiktoken file")
      ->required();
  command->add_option("--output", options->output, "PREFIX of the shard; the run's data.train takes the same")
      ->required();
  command->add_option("files", options->files, "Text or JSON lines, plain, gzip or zstd")->required();
  const std::map<std::string, data::DocumentFormat> formats{{"auto", data::DocumentFormat::kByName},
                                                            {"text", data::DocumentFormat::kText},
                                                            {"jsonl", data::DocumentFormat::kJsonLines}};
  command
      ->add_option(
          "--format", build_settings.documents.format,
          "auto (by name: .jsonl, .ndjson and .json are JSON lines, all else is text), text or jsonl")
      ->transform(CLI::CheckedTransformer(formats, CLI::ignore_case).description(""))
      ->type_name("NAME");
  command->add_option("--json-key", build_settings.documents.json_key, "Key of the text in JSON lines")
      ->capture_default_str();
  command
      ->add_option(
          "--new-document-at", build_settings.documents.new_document_at,
          "In text files, a line in which this regular expression is found begins a new document; without "
          "it a file is one document")
      ->type_name("REGEX");
  command->add_option("--threads", build_settings.threads, "Encoding threads; 0: one a core")
      ->check(CLI::Range(0, 4096))
      ->capture_default_str();
  command
      ->add_option(
          "--valid-fraction", build_settings.valid_fraction,
          "Share of the documents that goes to PREFIX_valid instead, chosen by a hash of their number")
      ->check(CLI::Range(0.0, 0.5))
      ->capture_default_str();
  command->add_flag("--no-end-of-text", options->no_end_of_text,
                    "Do not put the tokenizer's end-of-text id behind each document");
  command->footer(
      "Examples:\n"
      "  sextant data build --tokenizer tokenizer.json --output corpus/train shakespeare.txt\n"
      "  sextant data build --tokenizer tokenizer.json --output corpus/wiki --new-document-at '^ = [^=]' "
      "wiki.txt.gz\n"
      "  sextant data build --tokenizer tokenizer.json --output corpus/web --json-key content "
      "--valid-fraction 0.01 "
      "web-*.jsonl.zst");
  command->callback([options] { build(*options); });
}

}  // namespace sextant::launch
