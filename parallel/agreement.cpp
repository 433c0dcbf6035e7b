#include "parallel/agreement.h"

#include <fmt/format.h>

#include <optional>

namespace sextant::parallel {

void together(Group& group, const std::function<void()>& work) {
  std::string told;  // empty: all went well; else one digit of kind and the message
  try {
    work();
  } catch (const Error& error) {
    told = fmt::format("{}{}", static_cast<int>(error.kind()), error.what());
  } catch (const std::exception& error) {
    told = fmt::format("{}internal error: {}", static_cast<int>(ErrorKind::kEnvironment), error.what());
  }
  auto all = gather_bytes(group, told);
  size_t failed = 0;
  std::optional<size_t> first;
  for (size_t rank = 0; rank < all.size(); ++rank) {
    if (all[rank].empty()) continue;
    ++failed;
    if (!first) first = rank;
  }
  if (!first) return;
  auto kind = static_cast<ErrorKind>(all[*first][0] - '0');
  std::string message = all[*first].substr(1);
  if (failed < all.size()) message = fmt::format("rank {}: {}", *first, message);
  throw AgreedError(kind, message);
}

void alike(const std::function<void()>& work) {
  try {
    work();
  } catch (const AgreedError&) {
    throw;
  } catch (const Error& error) {
    throw AgreedError(error.kind(), error.what());
  }
}

}  // namespace sextant::parallel
