#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/durable_file.h"
#include "trainer/checkpoint/checkpoint.pb.h"

namespace sextant::trainer {

// A file of a checkpoint and the pieces of tensors in it, by place in the manifest.
struct FilePieces {
  const Manifest::File* file = nullptr;
  std::vector<const Manifest::Piece*> pieces;
};

// Every file that the manifest lists, with its pieces.
std::vector<FilePieces> files_of(const Manifest& manifest);

// Maps one file and checks its length, its header's checksum and, where it holds tensors, that its
// safetensors header and the manifest agree. Throws Error(kInput) naming the file, the rank that wrote it and
// the offset.
data::MappedFile open_file(const std::filesystem::path& folder, const FilePieces& expected);

// Checks the whole of a file without tensors. Throws Error(kInput).
void check_side_file(const data::MappedFile& file, const Manifest::File& written);

// The damaged blocks of a piece between two bytes of its box, a line for each; `block` is
// Manifest.checksum_block.
std::vector<std::string> damaged_blocks(const data::MappedFile& file, const Manifest::File& written,
                                        const Manifest::Piece& piece, int64_t block, int64_t begin,
                                        int64_t end);

}  // namespace sextant::trainer
