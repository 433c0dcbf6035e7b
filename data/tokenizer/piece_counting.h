#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "data/tokenizer/added_tokens.h"
#include "data/tokenizer/piece_counts.h"
#include "data/tokenizer/splitter.h"

namespace sextant::data {

// Splits documents into pieces and counts them on several threads. Memory: the distinct pieces, once a
// thread, and a few megabytes of text in flight.
class PieceCounting {
 public:
  // Stretches that are in `passed_over` are not counted. Both must outlive this object.
  PieceCounting(const Splitter& splitter, const AddedTokens& passed_over, int threads);
  ~PieceCounting();
  PieceCounting(const PieceCounting&) = delete;
  PieceCounting& operator=(const PieceCounting&) = delete;

  // A whole document. Waits while the threads are behind; rethrows what went wrong on one of them.
  void add(std::string_view document);
  // The sum over all threads; called once, at the end.
  PieceCounts finish();

 private:
  // Several short texts, or a stretch of a long one.
  struct Batch {
    std::string text;
    std::vector<size_t> ends;
  };

  void send();
  void close();
  bool receive(Batch& batch);
  void count(PieceCounts& counts);
  void count_batch(const Batch& batch, Splitter::Matchers& matchers, PieceCounts& counts) const;

  const Splitter& splitter_;
  const AddedTokens& passed_over_;
  Batch filling_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Batch> waiting_;
  bool closed_ = false;
  std::exception_ptr failure_;
  std::vector<PieceCounts> counts_;
  std::vector<std::thread> threads_;
};

}  // namespace sextant::data
