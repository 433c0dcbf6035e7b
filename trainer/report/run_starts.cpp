#include "trainer/report/run_starts.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <optional>
#include <string_view>

#include "trainer/metrics/tensorboard.h"
#include "trainer/metrics/tensorboard.pb.h"

namespace sextant::trainer {
namespace {

constexpr size_t kHeader = 12, kFooter = 4;  // of a record: length and its checksum; the data's checksum

// The data of the record that `bytes` begin with, which are then cut off; nothing where it is not whole.
std::optional<std::string> take_record(std::string_view& bytes) {
  uint64_t length = 0;
  if (bytes.size() < kHeader + kFooter) return std::nullopt;
  std::memcpy(&length, bytes.data(), sizeof(length));
  if (length > bytes.size() - kHeader - kFooter) return std::nullopt;
  std::string data(bytes.substr(kHeader, length));
  std::string_view record = bytes.substr(0, kHeader + length + kFooter);
  if (tensorboard_record(data) != record) return std::nullopt;
  bytes.remove_prefix(record.size());
  return data;
}

// The second record of a file says where its start goes on.
std::optional<RunStart> start_of(const std::filesystem::path& file) {
  std::string head(512, '\0');
  std::ifstream in(file, std::ios::binary);
  in.read(head.data(), static_cast<std::streamsize>(head.size()));
  std::string_view bytes(head.data(), static_cast<size_t>(std::max<std::streamsize>(in.gcount(), 0)));
  std::optional<std::string> data = take_record(bytes);
  if (data) data = take_record(bytes);
  tensorboard::Event event;
  if (!data || !event.ParseFromString(*data) || !event.has_session_log()) return std::nullopt;
  return RunStart{event.wall_time(), event.step() - 1};
}

}  // namespace

std::vector<RunStart> run_starts(const std::filesystem::path& run_folder) {
  std::vector<RunStart> starts;
  for (const auto& entry : std::filesystem::directory_iterator(run_folder)) {
    if (!entry.path().filename().string().starts_with("events.out.tfevents.")) continue;
    if (std::optional<RunStart> start = start_of(entry.path())) starts.push_back(*start);
  }
  std::sort(starts.begin(), starts.end(),
            [](const RunStart& a, const RunStart& b) { return a.seconds < b.seconds; });
  return starts;
}

}  // namespace sextant::trainer
