#pragma once

#include <filesystem>
#include <string>

#include "parallel/placement.h"
#include "trainer/checkpoint/checkpoint.pb.h"

namespace sextant::trainer {

inline constexpr const char* kManifestName = "manifest.pb";

// The bytes of manifest.pb: "SXTCKPT1", u64 length, u64 XXH3-64 of the message, the message.
std::string manifest_bytes(const Manifest& manifest);

// Reads a manifest.pb and checks all that can be checked without the other files: magic, length, checksum,
// names of files, shapes, that each tensor's boxes cover it exactly once. Throws Error(kInput).
Manifest read_manifest(const std::filesystem::path& path);

// Whether a file of that name may stand in a checkpoint: letters, digits, '.', '_' and '-', not starting with
// '.', no folder, and not the manifest's own name.
bool is_file_name(const std::string& name);

// The key of a piece in its safetensors file: the tensor's name, and "@" with the offset unless the box is
// the whole
// ("weights/token_embedding.weight@128,0").
std::string piece_key(const Manifest::Piece& piece);

parallel::Slice piece_slice(const Manifest::Piece& piece);

}  // namespace sextant::trainer
