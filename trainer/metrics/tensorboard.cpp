#include "trainer/metrics/tensorboard.h"

#include <fmt/format.h>
#include <isa-l/crc.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstring>

#include "parallel/base/error.h"
#include "trainer/metrics/tensorboard.pb.h"

namespace sextant::trainer {
namespace {

static_assert(std::endian::native == std::endian::little, "records are little-endian");

// Stored checksums are rotated and offset, so that a checksum over data that holds checksums stays strong.
uint32_t masked(uint32_t checksum) {
  return std::rotr(checksum, 15) + 0xa282ead8u;
}

template <class T>
void put(std::string& record, T number) {
  std::array<char, sizeof(T)> bytes;
  std::memcpy(bytes.data(), &number, sizeof(T));
  record.append(bytes.data(), bytes.size());
}

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "host";
  return name.data();
}

std::filesystem::path event_file(const std::filesystem::path& folder, double seconds) {
  std::string stem = fmt::format("events.out.tfevents.{:010d}.{}.{}", static_cast<int64_t>(seconds),
                                 host_name(), ::getpid());
  std::filesystem::path path = folder / stem;
  // Two starts within one second and one process id (as in containers) get two files.
  for (int again = 1; std::filesystem::exists(path); ++again)
    path = folder / fmt::format("{}.{}", stem, again);
  return path;
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  expect(bytes.size() < (size_t{1} << 31), "a record is shorter than 2 GiB");
  std::string copy(bytes);  // ISA-L 2.30 wants a pointer to non-const
  return ~crc32_iscsi(reinterpret_cast<unsigned char*>(copy.data()), static_cast<int>(copy.size()), ~0u);
}

std::string tensorboard_record(std::string_view data) {
  std::string record;
  put<uint64_t>(record, data.size());
  put<uint32_t>(record, masked(crc32c(record)));
  record += data;
  put<uint32_t>(record, masked(crc32c(data)));
  return record;
}

Scalars tensorboard_scalars(const StepMetrics& metrics) {
  Scalars scalars = {
      {"train/loss", metrics.loss},
      {"train/grad_norm", metrics.grad_norm},
      {"train/learning_rate", metrics.learning_rate},
      {"train/tokens", static_cast<double>(metrics.tokens)},
      {"speed/tokens_per_second", metrics.tokens_per_second},
      {"speed/mfu", metrics.mfu},
      {"speed/step_seconds", metrics.step_seconds},
      {"memory/bytes", static_cast<double>(metrics.memory_bytes)},
  };
  if (metrics.valid_loss) scalars.emplace_back("valid/loss", *metrics.valid_loss);
  if (metrics.skipped != 0) scalars.emplace_back("train/skipped", static_cast<double>(metrics.skipped));
  if (metrics.seconds) {
    for (TimeKind kind : kAllTimeKinds) {
      scalars.emplace_back(fmt::format("seconds/{}", time_kind_name(kind)), (*metrics.seconds)[kind]);
    }
  }
  for (const auto& [name, value] : metrics.extra) {
    scalars.emplace_back(name.find('/') == std::string::npos ? "extra/" + name : name, value);
  }
  return scalars;
}

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

TensorBoardLog::TensorBoardLog(const std::filesystem::path& run_folder, int64_t resume_step, Clock wall_clock)
    : wall_clock_(std::move(wall_clock)), file_(event_file(run_folder, wall_clock_())) {
  tensorboard::Event version;
  version.set_wall_time(wall_clock_());
  version.set_file_version("brain.Event:2");
  file_.append(tensorboard_record(version.SerializeAsString()));

  tensorboard::Event start;
  start.set_wall_time(wall_clock_());
  start.set_step(resume_step + 1);
  start.mutable_session_log()->set_status(tensorboard::SessionLog::start);
  file_.append(tensorboard_record(start.SerializeAsString()));
}

void TensorBoardLog::write(int64_t step, const Scalars& scalars) {
  tensorboard::Event event;
  event.set_wall_time(wall_clock_());
  event.set_step(step);
  for (const auto& [tag, value] : scalars) {
    if (std::isnan(value)) continue;  // a number that is not known; TensorBoard would draw it as a fault
    tensorboard::Summary::Value* point = event.mutable_summary()->add_value();
    point->set_tag(tag);
    point->set_simple_value(static_cast<float>(value));
  }
  file_.append(tensorboard_record(event.SerializeAsString()));
}

}  // namespace sextant::trainer
