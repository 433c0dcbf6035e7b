#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <limits>
#include <mutex>
#include <optional>
#include <utility>

namespace sextant::data {

// A queue between threads that holds at most so much: push() waits while it is full. Weights are in any unit,
// such as bytes; an item heavier than the whole queue enters when it is empty.
template <class T>
class BoundedQueue {
 public:
  explicit BoundedQueue(size_t capacity = std::numeric_limits<size_t>::max()) : capacity_(capacity) {}

  // False when the queue was closed meanwhile; the item is dropped then.
  bool push(T item, size_t weight) {
    std::unique_lock lock(guard_);
    // Written so that nothing overflows.
    room_.wait(lock, [&] {
      return closed_ || items_.empty() || (weight <= capacity_ && held_ <= capacity_ - weight);
    });
    if (closed_) return false;
    items_.emplace_back(std::move(item), weight);
    held_ += weight;
    filled_.notify_one();
    return true;
  }

  // The oldest item; nothing when the queue is closed and empty.
  std::optional<T> pop() {
    std::unique_lock lock(guard_);
    filled_.wait(lock, [&] { return closed_ || !items_.empty(); });
    if (items_.empty()) return std::nullopt;
    T item = std::move(items_.front().first);
    held_ -= items_.front().second;
    items_.pop_front();
    room_.notify_one();
    return item;
  }

  // No more pushes; what is inside can still be popped.
  void close() {
    std::lock_guard lock(guard_);
    closed_ = true;
    wake_all();
  }

  // The same, and what is inside is dropped.
  void abandon() {
    std::lock_guard lock(guard_);
    closed_ = true;
    items_.clear();
    held_ = 0;
    wake_all();
  }

 private:
  std::mutex guard_;
  std::condition_variable room_, filled_;
  std::deque<std::pair<T, size_t>> items_;
  size_t capacity_, held_ = 0;
  bool closed_ = false;

  void wake_all() {
    room_.notify_all();
    filled_.notify_all();
  }
};

}  // namespace sextant::data
