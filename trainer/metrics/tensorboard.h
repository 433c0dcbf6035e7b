#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "trainer/metrics/append_file.h"
#include "trainer/metrics/step_metrics.h"

namespace sextant::trainer {

// CRC-32C (Castagnoli) of bytes: crc32c("123456789") == 0xe3069283.
uint32_t crc32c(std::string_view bytes);

// One record as TensorBoard reads it: length, checksum of the length, data, checksum of the data.
std::string tensorboard_record(std::string_view data);

// The same metrics under TensorBoard's tags, grouped by what stands before the slash: "train/loss",
// "speed/mfu".
Scalars tensorboard_scalars(const StepMetrics& metrics);

// Seconds since 1970.
double wall_seconds();

// RUN_FOLDER/events.out.tfevents.TIME.HOST.PID, one file each start, written by rank 0 alone.
class TensorBoardLog {
 public:
  // Goes on after `resume_step`: points of later steps from before are dropped by the reader. Throws
  // Error(kEnvironment) when the folder can not be written.
  TensorBoardLog(const std::filesystem::path& run_folder, int64_t resume_step,
                 Clock wall_clock = wall_seconds);

  void write(const StepMetrics& metrics) { write(metrics.step, tensorboard_scalars(metrics)); }
  void write(int64_t step, const Scalars& scalars);

  const std::filesystem::path& path() const { return file_.path(); }

 private:
  Clock wall_clock_;
  AppendFile file_;
};

}  // namespace sextant::trainer
