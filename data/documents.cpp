#include "data/documents.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "data/byte_source.h"
#include "data/json_lines.h"
#include "data/lines.h"
#include "data/text_pattern.h"
#include "parallel/base/error.h"

namespace sextant::data {
namespace {

// A whole file as one document.
class WholeFile final : public DocumentReader {
 public:
  WholeFile(const std::filesystem::path& path, uint64_t limit)
      : path_(path), limit_(limit), source_(ByteSource::open(path)) {}

  bool next(std::string& text) override {
    size_t start = text.size(), filled = start;
    for (size_t room = kFirstRoom;; room = std::min(2 * room, kLargestRoom)) {
      text.resize(filled + room);
      size_t count = source_->read(text.data() + filled, room);
      filled += count;
      text.resize(filled);
      if (count == 0) break;
      if (filled - start > limit_) {
        fail_input(fmt::format("{}: one document of more than {} bytes; cut it with --new-document-at",
                               path_.string(), limit_));
      }
    }
    if (text.compare(start, 3, "\xef\xbb\xbf") == 0) text.erase(start, 3);
    if (has_text(std::string_view(text).substr(start))) return true;
    text.resize(start);
    return false;
  }
  uint64_t consumed() const override { return source_->consumed(); }

 private:
  static constexpr size_t kFirstRoom = size_t{1} << 14, kLargestRoom = size_t{1} << 22;
  std::filesystem::path path_;
  uint64_t limit_;
  std::unique_ptr<ByteSource> source_;
};

// A text file cut where a line matches.
class CutFile final : public DocumentReader {
 public:
  CutFile(const std::filesystem::path& path, const DocumentSettings& settings)
      : path_(path),
        limit_(settings.limit),
        lines_(path, settings.limit),
        pattern_(settings.new_document_at) {}

  bool next(std::string& text) override {
    size_t start = text.size();
    text.append(first_line_);
    first_line_.clear();
    for (std::string_view line; lines_.next(line);) {
      if (pattern_.matches(without_newline(line))) {
        if (has_text(std::string_view(text).substr(start))) {
          first_line_.assign(line);
          return true;
        }
        text.resize(start);
      }
      text.append(line);
      check_limit(text.size() - start);
    }
    if (has_text(std::string_view(text).substr(start))) return true;
    text.resize(start);
    return false;
  }
  uint64_t consumed() const override { return lines_.consumed(); }

 private:
  std::filesystem::path path_;
  uint64_t limit_;
  LineReader lines_;
  TextPattern pattern_;
  std::string first_line_;  // of the document that comes next

  static std::string_view without_newline(std::string_view line) {
    if (line.ends_with('\n')) line.remove_suffix(1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
  }

  void check_limit(uint64_t bytes) const {
    if (bytes <= limit_) return;
    fail_input(fmt::format("{}:{}: a document of more than {} bytes; --new-document-at cuts too seldom",
                           path_.string(), lines_.number(), limit_));
  }
};

bool named_json(const std::filesystem::path& file) {
  std::filesystem::path name = file.filename();
  for (const char* packed : {".gz", ".dz", ".zst", ".zstd"}) {
    if (name.extension() == packed) {
      name.replace_extension();
      break;
    }
  }
  auto extension = name.extension();
  return extension == ".jsonl" || extension == ".ndjson" || extension == ".json";
}

}  // namespace

bool has_text(std::string_view text) {
  return text.find_first_not_of(" \t\r\n\f\v") != std::string_view::npos;
}

bool holds_json_lines(const std::filesystem::path& file, const DocumentSettings& settings) {
  return settings.format == DocumentFormat::kJsonLines ||
         (settings.format == DocumentFormat::kByName && named_json(file));
}

std::unique_ptr<DocumentReader> open_documents(const std::filesystem::path& file,
                                               const DocumentSettings& settings) {
  if (holds_json_lines(file, settings)) return std::make_unique<JsonLines>(file, settings);
  if (settings.new_document_at.empty()) return std::make_unique<WholeFile>(file, settings.limit);
  return std::make_unique<CutFile>(file, settings);
}

}  // namespace sextant::data
