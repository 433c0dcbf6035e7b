#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "data/documents.h"
#include "data/lines.h"

namespace sextant::data {

// Documents of a JSON Lines file: an object a line, the text under a key. Empty lines are passed over.
class JsonLines final : public DocumentReader {
 public:
  JsonLines(const std::filesystem::path& path, const DocumentSettings& settings);
  ~JsonLines() override;

  bool next(std::string& text) override;
  uint64_t consumed() const override { return lines_.consumed(); }

 private:
  struct Parser;
  std::filesystem::path path_;
  std::string key_;
  LineReader lines_;
  std::unique_ptr<Parser> parser_;

  void append_text(std::string_view line, std::string& text);
  [[noreturn]] void fail_line(const std::string& what) const;
};

}  // namespace sextant::data
