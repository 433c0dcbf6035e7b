#pragma once

#include <filesystem>

#include "parallel/group.h"

namespace sextant::trainer {

// A run's folder, held by this job alone: rank 0 keeps a lock on FOLDER/.lock for as long as the object
// lives. The system gives the lock up when the process ends, however it ends, so a dead job never blocks the
// next one.
class RunFolder {
 public:
  // What a job that was killed needs to let go of the folder: its launcher may outlive it by seconds.
  static constexpr int kPatienceSeconds = 20;

  // Creates the folder and takes the lock, waiting up to `patience_s` seconds for a job that is just ending.
  // All ranks must call; all throw the same AgreedError when rank 0 can not: kInput naming process, host and
  // start of the job that holds it, kEnvironment when the folder can not be written to.
  RunFolder(std::filesystem::path folder, parallel::Group& world, int patience_s = kPatienceSeconds);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::filesystem::path& path() const { return folder_; }
  std::filesystem::path checkpoints() const { return folder_ / "checkpoints"; }

 private:
  std::filesystem::path folder_;
  int lock_ = -1;

  void take_lock(int patience_s);
};

}  // namespace sextant::trainer
