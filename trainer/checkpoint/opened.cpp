#include "trainer/checkpoint/opened.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "parallel/base/error.h"
#include "trainer/checkpoint/dtype.h"
#include "trainer/checkpoint/manifest.h"
#include "trainer/checkpoint/safetensors.h"

namespace sextant::trainer {
namespace {

std::string described(const data::MappedFile& mapped, const Manifest::File& file) {
  return fmt::format("{} (written by rank {})", mapped.path().string(), file.rank());
}

void check_header_checksum(const data::MappedFile& mapped, const Manifest::File& file, size_t bytes) {
  uint64_t sum = data::checksum(mapped.bytes().first(bytes));
  if (sum == file.header_checksum()) return;
  fail_input(
      fmt::format("{}: damaged between bytes 0 and {}: the checksum is {:016x} where {:016x} was written",
                  described(mapped, file), bytes, sum, file.header_checksum()));
}

// The header's entries and the manifest's pieces are the same boxes at the same places.
void check_entries(const data::MappedFile& mapped, const FilePieces& expected,
                   const SafetensorsHeader& header) {
  std::map<std::string, const Manifest::Piece*> by_key;
  for (const Manifest::Piece* piece : expected.pieces) by_key[piece_key(*piece)] = piece;
  for (const SafetensorsEntry& entry : header.entries) {
    auto found = by_key.find(entry.key);
    bool same = found != by_key.end() && std::ranges::equal(found->second->shape(), entry.shape) &&
                found->second->dtype() == dtype_name(entry.type) &&
                static_cast<uint64_t>(found->second->begin()) == entry.begin &&
                static_cast<uint64_t>(found->second->bytes()) == entry.bytes;
    if (!same) {
      fail_input(fmt::format("{}: tensor '{}' at byte {} is not as the manifest describes it",
                             described(mapped, *expected.file), entry.key, entry.begin));
    }
    by_key.erase(found);
  }
  if (!by_key.empty()) {
    fail_input(fmt::format("{}: tensor '{}' of the manifest is not in it", described(mapped, *expected.file),
                           by_key.begin()->first));
  }
}

}  // namespace

std::vector<FilePieces> files_of(const Manifest& manifest) {
  std::vector<FilePieces> files;
  for (const Manifest::File& file : manifest.files()) files.push_back({&file, {}});
  for (const Manifest::Piece& piece : manifest.pieces()) {
    files[static_cast<size_t>(piece.file())].pieces.push_back(&piece);
  }
  return files;
}

data::MappedFile open_file(const std::filesystem::path& folder, const FilePieces& expected) {
  const Manifest::File& file = *expected.file;
  data::MappedFile mapped(folder / file.name());
  size_t bytes = mapped.bytes().size();
  if (bytes != static_cast<uint64_t>(file.bytes())) {
    fail_input(fmt::format("{}: {} bytes long where {} were written: {} at byte {}", described(mapped, file),
                           bytes, file.bytes(),
                           bytes < static_cast<uint64_t>(file.bytes()) ? "cut off" : "something follows",
                           std::min<uint64_t>(bytes, static_cast<uint64_t>(file.bytes()))));
  }
  if (expected.pieces.empty()) return mapped;  // a side file: summed whole where it is read
  // The manifest knows where the first tensor begins, so the header is summed before it is believed.
  int64_t header_bytes = file.bytes();
  for (const Manifest::Piece* piece : expected.pieces) header_bytes = std::min(header_bytes, piece->begin());
  check_header_checksum(mapped, file, static_cast<size_t>(header_bytes));
  check_entries(mapped, expected, parse_safetensors(mapped.bytes(), described(mapped, file)));
  return mapped;
}

void check_side_file(const data::MappedFile& file, const Manifest::File& written) {
  check_header_checksum(file, written, file.bytes().size());
}

std::vector<std::string> damaged_blocks(const data::MappedFile& file, const Manifest::File& written,
                                        const Manifest::Piece& piece, int64_t block, int64_t begin,
                                        int64_t end) {
  std::vector<std::string> faults;
  auto bytes = file.bytes().subspan(static_cast<size_t>(piece.begin()), static_cast<size_t>(piece.bytes()));
  for (int64_t at = begin / block * block; at < end; at += block) {
    int64_t count = std::min(block, piece.bytes() - at);
    uint64_t sum = data::checksum(bytes.subspan(static_cast<size_t>(at), static_cast<size_t>(count)));
    uint64_t expected = piece.checksums(static_cast<int>(at / block));
    if (sum == expected) continue;
    faults.push_back(
        fmt::format("{}: damaged between bytes {} and {}, in tensor {}: the checksum is {:016x} where "
                    "{:016x} was written",
                    described(file, written), piece.begin() + at, piece.begin() + at + count, piece.name(),
                    sum, expected));
  }
  return faults;
}

}  // namespace sextant::trainer
