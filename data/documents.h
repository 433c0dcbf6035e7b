#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace sextant::data {

// How a file holds documents.
enum class DocumentFormat {
  kByName,     // .jsonl, .ndjson and .json (before .gz, .zst ...) are JSON lines, everything else is text
  kText,       // the file is one document, or several by `new_document_at`
  kJsonLines,  // an object a line, the text under `json_key`
};

struct DocumentSettings {
  DocumentFormat format = DocumentFormat::kByName;
  std::string json_key = "text";
  // A regular expression: in text files a line in which it is found begins a new document. Empty: none.
  std::string new_document_at;
  // No document may be longer, in bytes.
  uint64_t limit = uint64_t{1} << 30;
};

// The documents of a file, packed or not, one after the other in memory of the longest one. Documents of
// nothing but white space are passed over.
class DocumentReader {
 public:
  virtual ~DocumentReader() = default;

  // Appends the next document to `text`; false at the end. Throws Error(kInput) naming file and line.
  virtual bool next(std::string& text) = 0;
  // Bytes of the file, as it lies on disk, read so far.
  virtual uint64_t consumed() const = 0;
};

// Whether the file is taken for JSON lines.
bool holds_json_lines(const std::filesystem::path& file, const DocumentSettings& settings);

// Throws Error(kInput) when the file can not be opened.
std::unique_ptr<DocumentReader> open_documents(const std::filesystem::path& file,
                                               const DocumentSettings& settings);

// False for nothing but white space.
bool has_text(std::string_view text);

}  // namespace sextant::data
