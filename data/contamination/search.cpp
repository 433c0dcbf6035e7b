#include "data/contamination/search.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "data/contamination/piece_search.h"

namespace sextant::data {
namespace {

// Hands out works of all sources in order, to one thread at a time.
class WorkQueue {
 public:
  explicit WorkQueue(const std::vector<OpenPieces>& sources) : sources_(sources) {}

  struct Numbered {
    PieceSource::Work work;
    PieceOrder order;
    std::shared_ptr<PieceSource> source;  // works borrow from it
  };

  std::optional<Numbered> next() {
    std::lock_guard lock(guard_);
    while (!failed_ && at_ < sources_.size()) {
      if (!open_) open_ = sources_[at_]();
      if (auto work = open_->next()) {
        return Numbered{std::move(*work), {static_cast<int32_t>(at_), number_++}, open_};
      }
      open_ = nullptr;
      ++at_;
    }
    return std::nullopt;
  }

  void fail() {
    std::lock_guard lock(guard_);
    failed_ = true;
  }

 private:
  const std::vector<OpenPieces>& sources_;
  std::mutex guard_;
  std::shared_ptr<PieceSource> open_;
  size_t at_ = 0;
  uint64_t number_ = 0;
  bool failed_ = false;
};

// What one thread did.
struct ThreadSums {
  int64_t documents = 0, bytes = 0;
  std::exception_ptr error;
};

void search_all(WorkQueue& queue, PieceSearch& search, ThreadSums& sums) {
  try {
    NormalText memory;
    while (auto next = queue.next()) {
      next->work([&](const TextPiece& piece) {
        sums.documents += piece.begin == 0 ? 1 : 0;
        sums.bytes += static_cast<int64_t>(piece.own);
        search.search(piece, next->order, memory);
      });
    }
  } catch (...) {
    sums.error = std::current_exception();
    queue.fail();
  }
}

}  // namespace

SearchResult find_overlaps(const std::vector<EvalItem>& items, const std::vector<OpenPieces>& sources,
                           const NeedleSettings& settings, int threads) {
  if (threads == 0) threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  PieceSearch search(items, settings);
  WorkQueue queue(sources);
  auto start = std::chrono::steady_clock::now();
  std::vector<ThreadSums> sums(static_cast<size_t>(threads));
  {
    std::vector<std::jthread> workers;
    workers.reserve(sums.size());
    for (ThreadSums& mine : sums) workers.emplace_back([&] { search_all(queue, search, mine); });
  }
  SearchResult result;
  for (const ThreadSums& one : sums) {
    if (one.error) std::rethrow_exception(one.error);
    result.documents += one.documents;
    result.text_bytes += one.bytes;
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  result.threads = threads;
  result.items = search.results();
  return result;
}

}  // namespace sextant::data
