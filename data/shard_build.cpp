#include "data/shard_build.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <thread>

#include "data/bounded_queue.h"
#include "data/byte_source.h"
#include "data/token_shard_writer.h"
#include "parallel/base/error.h"
#include "parallel/base/seed.h"

namespace sextant::data {
namespace {

// Documents travel in packs of about this size, so that short ones cost no queueing.
constexpr size_t kPackBytes = size_t{1} << 18;

struct Encoded {
  std::vector<int32_t> ids;  // of all documents of a pack
  std::vector<size_t> ends;  // where each document ends in ids
  size_t text_bytes = 0;
};

struct Pack {
  std::string text;          // of all documents
  std::vector<size_t> ends;  // where each ends in text
  std::promise<Encoded> encoded;
  uint64_t bytes_read = 0;  // of all files, when the pack was full
};

using PackPointer = std::shared_ptr<Pack>;

Encoded encode(const Pack& pack, const Tokenizer& tokenizer, std::optional<int32_t> closing) {
  Encoded encoded;
  encoded.ids.reserve(pack.text.size() / 3);
  size_t begin = 0;
  for (size_t end : pack.ends) {
    tokenizer.encode(std::string_view(pack.text).substr(begin, end - begin), encoded.ids);
    if (closing) encoded.ids.push_back(*closing);
    encoded.ends.push_back(encoded.ids.size());
    begin = end;
  }
  encoded.text_bytes = pack.text.size();
  return encoded;
}

// Reader -> packs -> encoders, and the same packs in order -> the writer, who waits for each pack's promise.
class Pipeline {
 public:
  Pipeline(const std::vector<std::filesystem::path>& files, const DocumentSettings& documents,
           const Tokenizer& tokenizer, std::optional<int32_t> closing, int threads)
      : in_order_(kPackBytes * static_cast<size_t>(4 * threads + 4)) {
    try {
      for (int i = 0; i < threads; ++i) {
        threads_.emplace_back([this, &tokenizer, closing] { encode_all(tokenizer, closing); });
      }
      threads_.emplace_back([this, &files, &documents] { read_all(files, documents); });
    } catch (const std::system_error& error) {
      abandon();  // those that run would wait for ever
      fail_environment(fmt::format("{} threads can not be started: {}; give fewer with --threads",
                                   threads + 1, error.what()));
    }
  }
  ~Pipeline() { abandon(); }

  // The next pack in the files' order; nothing at the end.
  std::optional<PackPointer> next() { return in_order_.pop(); }

 private:
  BoundedQueue<PackPointer> in_order_;
  BoundedQueue<PackPointer> work_;     // never holds more than in_order_ did
  std::vector<std::jthread> threads_;  // last: they end before the queues go

  void abandon() {
    in_order_.abandon();
    work_.abandon();
  }

  void encode_all(const Tokenizer& tokenizer, std::optional<int32_t> closing) {
    while (auto pack = work_.pop()) {
      try {
        (*pack)->encoded.set_value(encode(**pack, tokenizer, closing));
      } catch (...) {
        (*pack)->encoded.set_exception(std::current_exception());
      }
      (*pack)->text = {};
    }
  }

  // What goes wrong travels as a pack of its own, behind the documents before it.
  void read_all(const std::vector<std::filesystem::path>& files, const DocumentSettings& documents) {
    try {
      uint64_t before = 0;
      for (const auto& file : files) {
        auto reader = open_documents(file, documents);
        while (send_pack(*reader, before)) {
        }
        before += reader->consumed();
      }
    } catch (...) {
      auto broken = std::make_shared<Pack>();
      broken->encoded.set_exception(std::current_exception());
      in_order_.push(broken, 0);
    }
    in_order_.close();
    work_.close();
  }

  // False at the end of the file, or when nobody wants more.
  bool send_pack(DocumentReader& reader, uint64_t bytes_before) {
    auto pack = std::make_shared<Pack>();
    bool more = true;
    while (more && pack->text.size() < kPackBytes) {
      more = reader.next(pack->text);
      if (more) pack->ends.push_back(pack->text.size());
    }
    if (pack->ends.empty()) return false;
    pack->bytes_read = bytes_before + reader.consumed();
    size_t weight = pack->text.size();
    return in_order_.push(pack, weight) && work_.push(pack, weight) && more;
  }
};

// The shard, and the held-out one beside it where there is one.
class Output {
 public:
  Output(const BuildSettings& settings, TokenType type)
      : fraction_(settings.valid_fraction), choice_(0, "held-out documents"), train_(settings.output, type) {
    std::filesystem::path valid = settings.output;
    valid += "_valid";
    if (fraction_ > 0) valid_.emplace(valid, type);
  }

  void add(const Encoded& pack, BuildProgress& progress) {
    size_t begin = 0;
    for (size_t end : pack.ends) {
      bool held_out = valid_ && choice_.uniform(0, static_cast<uint64_t>(progress.documents)) < fraction_;
      (held_out ? *valid_ : train_).add_document(std::span(pack.ids).subspan(begin, end - begin));
      ++progress.documents;
      begin = end;
    }
    progress.text_bytes += pack.text_bytes;
    progress.valid_documents = valid_ ? valid_->documents() : 0;
    progress.valid_tokens = valid_ ? valid_->tokens() : 0;
    progress.tokens = train_.tokens() + progress.valid_tokens;
  }

  void publish() {
    train_.publish();
    if (valid_) valid_->publish();
  }

 private:
  double fraction_;
  RandomKey choice_;
  TokenShardWriter train_;
  std::optional<TokenShardWriter> valid_;
};

uint64_t total_bytes(const std::vector<std::filesystem::path>& files) {
  uint64_t sum = 0;
  for (const auto& file : files) {
    uint64_t size = size_on_disk(file);
    std::error_code ignored;
    if (size == 0 && !std::filesystem::is_regular_file(file, ignored)) return 0;
    sum += size;
  }
  return sum;
}

void create_folder_of(const std::filesystem::path& prefix) {
  if (!prefix.has_parent_path()) return;
  std::error_code error;
  std::filesystem::create_directories(prefix.parent_path(), error);
  if (error) {
    fail_environment(
        fmt::format("{}: the folder can not be made: {}", prefix.parent_path().string(), error.message()));
  }
}

int encoder_threads(int wanted) {
  return wanted > 0 ? wanted : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

void check_result(const BuildProgress& progress, const BuildSettings& settings, size_t files) {
  if (progress.documents == 0) {
    fail_input(fmt::format("no text in the {} file{} given; nothing was written to {}", files,
                           files == 1 ? "" : "s", settings.output.string()));
  }
  bool one_side_empty = settings.valid_fraction > 0 &&
                        (progress.valid_documents == 0 || progress.valid_documents == progress.documents);
  if (one_side_empty) {
    fail_input(fmt::format(
        "of {} documents {} would be held out by a fraction of {}, which leaves one side empty; build "
        "without it, or cut documents with --new-document-at",
        progress.documents, progress.valid_documents, settings.valid_fraction));
  }
}

}  // namespace

BuildProgress build_shards(const std::vector<std::filesystem::path>& files, const Tokenizer& tokenizer,
                           const BuildSettings& settings,
                           const std::function<void(const BuildProgress&)>& report) {
  expect(settings.valid_fraction >= 0 && settings.valid_fraction < 1, "the held-out fraction is below 1");
  BuildProgress progress;
  progress.bytes_total = total_bytes(files);
  create_folder_of(settings.output);
  Output output(settings, token_type_for(tokenizer.vocabulary()));
  auto closing = settings.end == DocumentEnd::kEndOfText ? tokenizer.end_of_text() : std::nullopt;
  Pipeline pipeline(files, settings.documents, tokenizer, closing, encoder_threads(settings.threads));
  while (auto pack = pipeline.next()) {
    output.add((*pack)->encoded.get_future().get(), progress);
    progress.bytes_read = std::max(progress.bytes_read, (*pack)->bytes_read);
    report(progress);
  }
  check_result(progress, settings, files.size());
  output.publish();
  return progress;
}

}  // namespace sextant::data
