#pragma once

#include <filesystem>
#include <memory>

#include "data/contamination/text_pieces.h"
#include "data/documents.h"

namespace sextant::data {

// The pieces of a file as `sextant data build` reads it (data/documents.h). A text file that is one document
// is read in passing, whatever its length; a JSON line, or a part between two lines at which documents begin,
// is held in memory as a whole. Throws Error(kInput) where the file can not be read.
std::unique_ptr<PieceSource> open_file_pieces(const std::filesystem::path& file,
                                              const DocumentSettings& settings);

}  // namespace sextant::data
