#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>

namespace sextant::data {

// The bytes of a file from front to back, unpacked when it is gzip (dictzip's .dz included) or zstd, which is
// recognised by the first bytes and not by the name. Memory stays constant. Pipes are read as well.
class ByteSource {
 public:
  // Throws Error(kInput) when the file is missing, a folder, or packed in another way.
  static std::unique_ptr<ByteSource> open(const std::filesystem::path& path);
  virtual ~ByteSource() = default;

  // Fills up to `room` bytes and returns how many came; 0 only at the end. Throws Error(kInput) naming the
  // file and the packed byte when packed data is damaged or ends early.
  virtual size_t read(char* into, size_t room) = 0;
  // Bytes of the file itself, as it lies on disk, taken so far.
  virtual uint64_t consumed() const = 0;
};

// Bytes on disk; 0 for a pipe.
uint64_t size_on_disk(const std::filesystem::path& path);

}  // namespace sextant::data
