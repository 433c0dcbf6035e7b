#include "trainer/checkpoint/verify.h"

#include <fmt/format.h>

#include "parallel/base/error.h"
#include "trainer/checkpoint/manifest.h"
#include "trainer/checkpoint/opened.h"

namespace sextant::trainer {
namespace {

class Verification {
 public:
  Verification(const std::filesystem::path& folder, const std::function<void(int64_t, int64_t)>& progress)
      : folder_(folder), progress_(progress) {}

  std::vector<std::string> run() {
    Manifest manifest;
    if (!survives([&] { manifest = read_manifest(folder_ / kManifestName); })) return faults_;
    for (const Manifest::File& file : manifest.files()) all_ += file.bytes();
    for (const FilePieces& file : files_of(manifest)) {
      survives([&] { check_file(manifest, file); });
      advance(file.file->bytes() - done_of_file_);
      done_of_file_ = 0;
    }
    return faults_;
  }

 private:
  template <class Action>
  bool survives(Action action) {
    try {
      action();
      return true;
    } catch (const Error& error) {
      faults_.emplace_back(error.what());
      return false;
    }
  }

  void advance(int64_t bytes) {
    done_ += bytes;
    done_of_file_ += bytes;
    if (progress_) progress_(done_, all_);
  }

  void check_file(const Manifest& manifest, const FilePieces& expected) {
    data::MappedFile mapped = open_file(folder_, expected);
    if (expected.pieces.empty()) check_side_file(mapped, *expected.file);
    int64_t block = manifest.checksum_block();
    for (const Manifest::Piece* piece : expected.pieces) {
      for (int64_t at = 0; at < piece->bytes();) {
        int64_t end = block < piece->bytes() - at ? at + block : piece->bytes();
        for (std::string& fault : damaged_blocks(mapped, *expected.file, *piece, block, at, end)) {
          faults_.push_back(std::move(fault));
        }
        advance(end - at);
        at = end;
      }
    }
  }

  const std::filesystem::path& folder_;
  const std::function<void(int64_t, int64_t)>& progress_;
  std::vector<std::string> faults_;
  int64_t done_ = 0, all_ = 0, done_of_file_ = 0;
};

}  // namespace

std::vector<std::string> verify_checkpoint(const std::filesystem::path& step_folder,
                                           const std::function<void(int64_t, int64_t)>& progress) {
  return Verification(step_folder, progress).run();
}

}  // namespace sextant::trainer
