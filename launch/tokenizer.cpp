#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>

#include "data/byte_source.h"
#include "data/documents.h"
#include "data/durable_file.h"
#include "data/tokenizer/bpe_training.h"
#include "data/tokenizer/hf_json.h"
#include "data/tokenizer/split_pattern.h"
#include "data/tokenizer/tokenizer.h"
#include "launch/commands.h"
#include "launch/tokenizer_choice.h"
#include "parallel/base/error.h"

namespace sextant::launch {
namespace {

using data::Tokenizer;

constexpr double kMegabyte = 1e6;
constexpr const char* kTokenizerHelp = "A tokenizer.json, a folder that holds one, or a .tiktoken file";

// A line on stderr that is refreshed on a terminal and written now and then elsewhere.
class Progress {
 public:
  void show(const std::string& text) {
    auto now = std::chrono::steady_clock::now();
    if (now - shown_ < (terminal_ ? std::chrono::milliseconds(100) : std::chrono::seconds(5))) return;
    shown_ = now;
    write(text, terminal_ ? "" : "\n");
  }
  void done(const std::string& text) { write(text, "\n"); }

 private:
  void write(const std::string& text, const char* end) {
    if (terminal_) {
      fmt::print(stderr, "\r{:<70}{}", text, end);
    } else {
      fmt::print(stderr, "{}{}", text, end);
    }
    std::fflush(stderr);
  }

  bool terminal_ = isatty(STDERR_FILENO) == 1;
  std::chrono::steady_clock::time_point shown_ = std::chrono::steady_clock::now();
};

struct TrainOptions {
  data::BpeTrainingSettings settings;
  data::DocumentSettings documents;
  std::vector<std::string> more_special;
  std::string output;
  std::vector<std::string> files;
};

// The documents of several files, one after the other.
class Corpus {
 public:
  explicit Corpus(const TrainOptions& options) : options_(options) {
    for (const std::string& file : options.files) total_ += data::size_on_disk(file);
  }

  bool next(std::string& text, Progress& progress) {
    text.clear();
    while (file_ < options_.files.size()) {
      if (!reader_) reader_ = data::open_documents(options_.files[file_], options_.documents);
      if (reader_->next(text)) {
        text_bytes_ += text.size();
        auto read = static_cast<double>(finished_ + reader_->consumed());
        progress.show(fmt::format("reading: {:.1f} of {:.1f} MB", read / kMegabyte,
                                  static_cast<double>(total_) / kMegabyte));
        return true;
      }
      finished_ += reader_->consumed();
      reader_.reset();
      ++file_;
    }
    progress.done(fmt::format("read {:.1f} MB of text from {} {}",
                              static_cast<double>(text_bytes_) / kMegabyte, options_.files.size(),
                              options_.files.size() == 1 ? "file" : "files"));
    return false;
  }

  uint64_t text_bytes() const { return text_bytes_; }

 private:
  const TrainOptions& options_;
  std::unique_ptr<data::DocumentReader> reader_;
  size_t file_ = 0;
  uint64_t total_ = 0, finished_ = 0, text_bytes_ = 0;
};

void write_out(std::string_view bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) != bytes.size() || std::fflush(stdout) != 0) {
    fail_environment(
        fmt::format("writing {} bytes to standard output: {}", bytes.size(), system_error_text(errno)));
  }
}

std::string read_standard_input() {
  std::string text;
  size_t filled = 0, count = 0;
  do {
    text.resize(filled + (size_t{1} << 16));
    count = std::fread(text.data() + filled, 1, text.size() - filled, stdin);
    filled += count;
  } while (count > 0);
  if (std::ferror(stdin) != 0) fail_environment("reading standard input: " + system_error_text(errno));
  text.resize(filled);
  return text;
}

std::string read_input(const std::string& file) {
  return file == "-" ? read_standard_input() : data::read_file(file);
}

void train(TrainOptions options) {
  auto& special = options.settings.special;
  special.insert(special.end(), options.more_special.begin(), options.more_special.end());
  Corpus corpus(options);
  data::DurableFile output(options.output);  // opened first: a folder that is missing shows before the work
  Progress progress;
  auto definition = data::train_bpe(
      options.settings, [&](std::string& text) { return corpus.next(text, progress); },
      [&](int32_t done, int32_t wanted) { progress.show(fmt::format("merging: {} of {}", done, wanted)); });
  output.write(data::write_tokenizer_json(definition));
  output.publish();
  auto tokens = static_cast<int32_t>(definition.tokens.size());
  progress.done(fmt::format("wrote {}: {} tokens (256 bytes, {} merges, {} special)", options.output, tokens,
                            definition.merges.size(), definition.added.size()));
  if (tokens < options.settings.vocabulary) {
    fmt::print(
        stderr,
        "sextant: the text holds no further pair to merge: {} tokens came out of the {} asked for; give more "
        "text, or --vocabulary {}\n",
        tokens, options.settings.vocabulary, tokens);
  }
}

// How much of the text has no token.
void warn_of_lost_bytes(const Tokenizer& tokenizer, std::string_view text) {
  size_t lost = 0;
  for (uint8_t byte : tokenizer.missing_bytes()) {
    lost += static_cast<size_t>(std::count(text.begin(), text.end(), static_cast<char>(byte)));
  }
  if (lost > 0) {
    fmt::print(stderr, "sextant: {} bytes of the text have no token in this vocabulary and are left out\n",
               lost);
  }
}

struct CodeOptions {
  TokenizerChoice tokenizer;
  std::string file = "-";
  bool recognise_special = false;
  std::vector<std::string> allowed, refused;
};

// "all", "none", or names.
data::SpecialChoice choice_of(const std::vector<std::string>& given) {
  using Which = data::SpecialChoice::Which;
  if (given.empty() || given == std::vector<std::string>{"none"}) return {};
  if (given == std::vector<std::string>{"all"}) return {Which::kAll, {}};
  return {Which::kListed, given};
}

void encode(const CodeOptions& options) {
  Tokenizer tokenizer = options.tokenizer.load();
  std::string text = read_input(options.file);
  warn_of_lost_bytes(tokenizer, text);
  std::vector<int32_t> ids;
  auto allowed = choice_of(options.recognise_special ? std::vector<std::string>{"all"} : options.allowed);
  tokenizer.encode(text, ids, allowed, choice_of(options.refused));
  fmt::memory_buffer line;
  for (int32_t id : ids) {
    if (line.size() > 0) line.push_back(' ');
    fmt::format_int digits(id);
    line.append(digits.data(), digits.data() + digits.size());
  }
  line.push_back('\n');
  write_out({line.data(), line.size()});
}

bool white(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

std::vector<int32_t> parse_ids(std::string_view text, const std::string& file) {
  std::vector<int32_t> ids;
  for (size_t at = 0; at < text.size();) {
    if (white(text[at])) {
      ++at;
      continue;
    }
    size_t end = at;
    while (end < text.size() && !white(text[end])) ++end;
    int32_t id = 0;
    auto [stopped, error] = std::from_chars(text.data() + at, text.data() + end, id);
    if (error != std::errc() || stopped != text.data() + end) {
      fail_input(fmt::format("{}: byte {}: '{}' is not an id; ids are whole numbers with white space between",
                             file == "-" ? "standard input" : file, at,
                             text.substr(at, std::min<size_t>(end - at, 40))));
    }
    ids.push_back(id);
    at = end;
  }
  return ids;
}

void decode(const CodeOptions& options) {
  Tokenizer tokenizer = options.tokenizer.load();
  write_out(tokenizer.decode(parse_ids(read_input(options.file), options.file), data::Decoded::kWhole));
}

void inspect(const TokenizerChoice& choice) {
  Tokenizer tokenizer = choice.load();
  auto end = tokenizer.end_of_text();
  std::string out = fmt::format("tokens         {}\n", tokenizer.vocabulary());
  out += end ? fmt::format("end of text    {} {}\n", *end, tokenizer.token_bytes(*end))
             : "end of text    none\n";
  out += fmt::format("missing bytes  {}\n", tokenizer.missing_bytes().size());
  out += fmt::format("fingerprint    {:016x}\n", tokenizer.fingerprint());
  auto special = tokenizer.special_tokens();
  out += fmt::format("special        {}\n", special.size());
  for (int32_t id : special) out += fmt::format("  {:>8}  {}\n", id, tokenizer.token_bytes(id));
  write_out(out);
}

void add_train(CLI::App& parent) {
  auto options = std::make_shared<TrainOptions>();
  options->settings.threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  auto* command = parent.add_subcommand("train", "Learn a byte-level BPE vocabulary from text");
  command->footer(
      "Example:\n  sextant tokenizer train --vocabulary 8192 --output tokenizer.json corpus/*.txt.gz");
  command
      ->add_option("--vocabulary", options->settings.vocabulary,
                   "Tokens in all: 256 bytes, merges, special tokens")
      ->required();
  command->add_option("--output", options->output, "The tokenizer.json to write")->required();
  command
      ->add_option("--pattern", options->settings.pattern,
                   "How text is cut before merging: " + CLI::detail::join(data::SplitPattern::names(), ", "))
      ->capture_default_str();
  command
      ->add_option("--special", options->more_special,
                   "A special token besides <|endoftext|>; may be repeated")
      ->allow_extra_args(false);
  command->add_option("--threads", options->settings.threads, "Threads that count words")
      ->capture_default_str();
  command->add_option("--json-key", options->documents.json_key, "Where the text stands in JSON lines")
      ->capture_default_str();
  command->add_option("--new-document-at", options->documents.new_document_at,
                      "Expression; in text files, a line in which it is found begins a new document");
  command->add_option("files", options->files, "Text or JSON lines, plain, gzip or zstd")->required();
  command->callback([options] { train(*options); });
}

CLI::App* add_coding(CLI::App& parent, const char* name, const char* what,
                     const std::shared_ptr<CodeOptions>& options) {
  auto* command = parent.add_subcommand(name, what);
  options->tokenizer.add_to(*command, kTokenizerHelp)->required();
  command->add_option("file", options->file, "What to read; standard input where it is - or left out");
  return command;
}

}  // namespace

void add_tokenizer(CLI::App& app) {
  auto* command = app.add_subcommand("tokenizer", "Train a tokenizer; turn text into ids and back");
  command->require_subcommand(1);
  command->footer(
      "Example:\n  sextant tokenizer train --vocabulary 8192 --output tokenizer.json corpus.txt\n"
      "  sextant tokenizer encode --tokenizer tokenizer.json page.txt");
  add_train(*command);

  auto options = std::make_shared<CodeOptions>();
  auto* encoding = add_coding(*command, "encode", "Write a file's ids as one line", options);
  auto* recognise = encoding->add_flag("--recognise-special", options->recognise_special,
                                       "The same as --allow-special all");
  encoding
      ->add_option("--allow-special", options->allowed,
                   "Special tokens whose text becomes their id: all, none, or one of them; may be repeated. "
                   "The text of others is text like any other")
      ->allow_extra_args(false)
      ->excludes(recognise)
      ->type_name("TOKEN");
  encoding
      ->add_option("--refuse-special", options->refused,
                   "Special tokens whose text is an error: all (that are not allowed), none, or one of them; "
                   "may be repeated")
      ->allow_extra_args(false)
      ->type_name("TOKEN");
  encoding->footer(
      "Examples:\n"
      "  sextant tokenizer encode --tokenizer tokenizer.json page.txt > page.ids\n"
      "  sextant tokenizer encode --tokenizer cl100k_base.tiktoken --refuse-special all page.txt");
  encoding->callback([options] { encode(*options); });

  auto* decoding =
      add_coding(*command, "decode", "Write the bytes that ids stand for, nothing added", options);
  decoding->footer("Example:\n  sextant tokenizer decode --tokenizer tokenizer.json page.ids > page.txt");
  decoding->callback([options] { decode(*options); });

  auto* inspecting = command->add_subcommand("inspect", "Say what a tokenizer holds");
  options->tokenizer.add_to(*inspecting, kTokenizerHelp)->required();
  inspecting->footer("Example:\n  sextant tokenizer inspect --tokenizer tokenizer.json");
  inspecting->callback([options] { inspect(options->tokenizer); });
}

}  // namespace sextant::launch
