#include "rlhf/episode_exchange.h"

#include <fmt/format.h>

#include <string>

#include "parallel/agreement.h"
#include "parallel/base/error.h"

namespace sextant::rlhf {
namespace {

constexpr size_t kDigits = 16;  // of a length in front of each episode

}  // namespace

std::vector<Episode> gather_episodes(const std::vector<Episode>& mine, parallel::Group& group) {
  std::string bytes;
  for (const Episode& episode : mine) {
    std::string one = episode.SerializeAsString();
    bytes += fmt::format("{:016x}", one.size()) + one;
  }
  std::vector<Episode> all;
  for (const std::string& part : parallel::gather_bytes(group, bytes)) {
    for (size_t at = 0; at < part.size();) {
      size_t size = std::stoull(part.substr(at, kDigits), nullptr, 16);
      expect(all.emplace_back().ParseFromString(part.substr(at + kDigits, size)), "episodes arrive whole");
      at += kDigits + size;
    }
  }
  return all;
}

}  // namespace sextant::rlhf
