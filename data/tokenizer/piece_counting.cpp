#include "data/tokenizer/piece_counting.h"

#include <utility>

namespace sextant::data {
namespace {

constexpr size_t kBatchBytes = size_t{1} << 20;

}  // namespace

PieceCounting::PieceCounting(const Splitter& splitter, const AddedTokens& passed_over, int threads)
    : splitter_(splitter), passed_over_(passed_over), counts_(static_cast<size_t>(threads)) {
  for (PieceCounts& counts : counts_) threads_.emplace_back([this, &counts] { count(counts); });
}

PieceCounting::~PieceCounting() {
  close();
}

void PieceCounting::add(std::string_view document) {
  while (!document.empty()) {
    size_t cut = safe_cut(document, kBatchBytes);
    filling_.text += document.substr(0, cut);
    filling_.ends.push_back(filling_.text.size());
    document.remove_prefix(cut);
    if (filling_.text.size() >= kBatchBytes) send();
  }
}

void PieceCounting::send() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return waiting_.size() < 2 * counts_.size() || failure_; });
  if (failure_) std::rethrow_exception(failure_);
  waiting_.push_back(std::exchange(filling_, {}));
  changed_.notify_all();
}

void PieceCounting::close() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

PieceCounts PieceCounting::finish() {
  send();
  close();
  if (failure_) std::rethrow_exception(failure_);
  PieceCounts sum = std::move(counts_.front());
  for (size_t i = 1; i < counts_.size(); ++i) sum.add(std::exchange(counts_[i], {}));
  return sum;
}

bool PieceCounting::receive(Batch& batch) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !waiting_.empty() || closed_ || failure_; });
  if (waiting_.empty() || failure_) return false;
  batch = std::move(waiting_.front());
  waiting_.pop_front();
  changed_.notify_all();
  return true;
}

void PieceCounting::count(PieceCounts& counts) {
  try {
    Splitter::Matchers matchers = splitter_.matchers();
    Batch batch;
    while (receive(batch)) count_batch(batch, matchers, counts);
  } catch (...) {
    std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::current_exception();
    changed_.notify_all();
  }
}

void PieceCounting::count_batch(const Batch& batch, Splitter::Matchers& matchers, PieceCounts& counts) const {
  size_t start = 0;
  for (size_t end : batch.ends) {
    std::string_view text = std::string_view(batch.text).substr(start, end - start);
    passed_over_.cut(
        text,
        [&](std::string_view stretch) {
          splitter_.split(stretch, matchers, [&](std::string_view piece) { counts.add(piece); });
        },
        [](int32_t) {});
    start = end;
  }
}

}  // namespace sextant::data
