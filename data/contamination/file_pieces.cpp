#include "data/contamination/file_pieces.h"

#include <utility>

#include "data/byte_source.h"

namespace sextant::data {
namespace {

// Pieces that are made already.
PieceSource::Work work_of(std::vector<TextPiece> pieces) {
  return [pieces = std::move(pieces)](const PieceSource::Take& take) {
    for (const TextPiece& piece : pieces) take(piece);
  };
}

// Several documents in a file.
class DocumentPieces final : public PieceSource {
 public:
  DocumentPieces(const std::filesystem::path& file, const DocumentSettings& settings)
      : documents_(open_documents(file, settings)) {}

  std::optional<Work> next() override {
    std::vector<TextPiece> pieces;
    for (size_t bytes = 0; bytes < kPieceBytes;) {
      std::string text;
      if (!documents_->next(text)) break;
      bytes += text.size();
      for (TextPiece& piece : pieces_of(text, document_)) pieces.push_back(std::move(piece));
      ++document_;
    }
    if (pieces.empty()) return std::nullopt;
    return work_of(std::move(pieces));
  }

 private:
  std::unique_ptr<DocumentReader> documents_;
  int64_t document_ = 0;
};

// A file that is one document, of which some megabytes are in memory.
class StreamPieces final : public PieceSource {
 public:
  explicit StreamPieces(const std::filesystem::path& file) : source_(ByteSource::open(file)) {}

  std::optional<Work> next() override {
    fill(kPieceBytes + 2 * kLongestWord);
    if (text_.empty()) return std::nullopt;
    size_t end = text_.size() <= kPieceBytes ? text_.size() : cut_behind(text_, kPieceBytes);
    size_t behind = look_ahead(text_, end);
    if (behind == std::string_view::npos) {
      fill(end + kLongestLookAhead);
      behind = std::min(look_ahead(text_, end), text_.size() - end);
    }
    TextPiece piece;
    piece.text = text_.substr(0, end + behind);
    piece.own = end;
    piece.begin = begin_;
    text_.erase(0, end);
    begin_ += static_cast<int64_t>(end);
    std::vector<TextPiece> pieces;
    pieces.push_back(std::move(piece));
    return work_of(std::move(pieces));
  }

 private:
  std::unique_ptr<ByteSource> source_;
  std::string text_;  // read and not yet given away
  int64_t begin_ = 0;

  // Reads until so many bytes are there, or the file has no more.
  void fill(size_t wanted) {
    while (text_.size() < wanted) {
      size_t filled = text_.size();
      text_.resize(wanted);
      size_t count = source_->read(text_.data() + filled, wanted - filled);
      text_.resize(filled + count);
      if (count == 0) return;
    }
  }
};

}  // namespace

std::unique_ptr<PieceSource> open_file_pieces(const std::filesystem::path& file,
                                              const DocumentSettings& settings) {
  if (holds_json_lines(file, settings) || !settings.new_document_at.empty())
    return std::make_unique<DocumentPieces>(file, settings);
  return std::make_unique<StreamPieces>(file);
}

}  // namespace sextant::data
